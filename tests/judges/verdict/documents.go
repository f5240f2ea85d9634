//go:build !kubeadm_only

// What the components say of documents that a configuration passes on to them.

package main

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/apis/apiserver"
	apiserverinstall "k8s.io/apiserver/pkg/apis/apiserver/install"
	apiservervalidation "k8s.io/apiserver/pkg/apis/apiserver/validation"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	auditvalidation "k8s.io/apiserver/pkg/apis/audit/validation"
	"k8s.io/apiserver/pkg/audit"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clientcmdlatest "k8s.io/client-go/tools/clientcmd/api/latest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/pkg/apis/core"
	coreinstall "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/kubeapiserver/authorizer/modes"
	"k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubeletscheme "k8s.io/kubernetes/pkg/kubelet/apis/config/scheme"
	kubeletvalidation "k8s.io/kubernetes/pkg/kubelet/apis/config/validation"
	proxyscheme "k8s.io/kubernetes/pkg/proxy/apis/config/scheme"
	proxyvalidation "k8s.io/kubernetes/pkg/proxy/apis/config/validation"
	"k8s.io/kubernetes/plugin/pkg/admission/eventratelimit/apis/eventratelimit"
	eventratelimitinstall "k8s.io/kubernetes/plugin/pkg/admission/eventratelimit/apis/eventratelimit/install"
	eventratelimitvalidation "k8s.io/kubernetes/plugin/pkg/admission/eventratelimit/apis/eventratelimit/validation"
	podsecurity "k8s.io/pod-security-admission/admission/api"
	podsecurityscheme "k8s.io/pod-security-admission/admission/api/scheme"
	podsecurityvalidation "k8s.io/pod-security-admission/admission/api/validation"
)

// kind is one sort of document that the judge knows: who decodes it and who checks it.
type kind struct {
	decode func(document []byte) (runtime.Object, error)
	check  func(runtime.Object) error
}

// kinds by "group/Kind": the version is the decoder's business, which takes every one that Kubernetes serves.
var kinds map[string]kind

func init() { judges["document"] = judgeDocument }

// In init, since the judge of an AdmissionConfiguration asks for the kinds inside it.
func init() {
	kinds = map[string]kind{
		"kubelet.config.k8s.io/KubeletConfiguration":     {strict(kubeletCodecs()), checked(checkKubelet)},
		"kubeproxy.config.k8s.io/KubeProxyConfiguration": {strict(serializer.NewCodecFactory(proxyscheme.Scheme, serializer.EnableStrict)), listed(proxyvalidation.Validate)},
		"apiserver.config.k8s.io/EncryptionConfiguration": {strict(apiserverCodecs()), listed(func(c *apiserver.EncryptionConfiguration) field.ErrorList {
			return apiservervalidation.ValidateEncryptionConfiguration(c, false)
		})},
		"apiserver.config.k8s.io/AuthenticationConfiguration": {strict(apiserverCodecs()), listed(func(c *apiserver.AuthenticationConfiguration) field.ErrorList {
			return validateAuthentication(c)
		})},
		"apiserver.config.k8s.io/AuthorizationConfiguration": {strict(apiserverCodecs()), checked(checkAuthorization)},
		"apiserver.config.k8s.io/AdmissionConfiguration":     {strict(apiserverCodecs()), checked(checkAdmission)},
		"pod-security.admission.config.k8s.io/PodSecurityConfiguration": {
			strict(serializer.NewCodecFactory(podsecurityscheme.Scheme, serializer.EnableStrict)),
			listed(func(c *podsecurity.PodSecurityConfiguration) field.ErrorList {
				return podsecurityvalidation.ValidatePodSecurityConfiguration(c)
			})},
		"eventratelimit.admission.k8s.io/Configuration": {strict(codecs(eventratelimitinstall.Install)), listed(func(c *eventratelimit.Configuration) field.ErrorList {
			return eventratelimitvalidation.ValidateConfiguration(c)
		})},
		"audit.k8s.io/Policy": {strict(serializer.NewCodecFactory(audit.Scheme, serializer.EnableStrict)), checked(checkAuditPolicy)},
		"/Pod":                {strict(codecs(coreinstall.Install)), checked(checkStaticPod)},
		"/Config":             {decodeKubeconfig, checked(checkKubeconfig)},
	}
}

func judgeDocument(asked request, verdict *answer) {
	for _, err := range judged([]byte(asked.Text)) {
		verdict.add("document", err)
	}
}

// judged is what the reader of a document finds wrong with it.
func judged(document []byte) []error {
	var meta struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return []error{err}
	}
	return flatten(read(meta.APIVersion, meta.Kind, document))
}

// flatten gives the single errors of an aggregate, so that each is told by itself.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var many interface{ Errors() []error }
	if !errors.As(err, &many) {
		return []error{err}
	}
	var out []error
	for _, e := range many.Errors() {
		out = append(out, flatten(e)...)
	}
	return out
}

func read(apiVersion, name string, document []byte) error {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		group = ""
	}
	k, known := kinds[group+"/"+name]
	if !known {
		return fmt.Errorf("no component reads apiVersion %q, kind %q", apiVersion, name)
	}
	object, err := k.decode(document)
	if err != nil {
		return err
	}
	return k.check(object)
}

func strict(factory serializer.CodecFactory) func([]byte) (runtime.Object, error) {
	return func(document []byte) (runtime.Object, error) {
		return runtime.Decode(factory.UniversalDecoder(), document)
	}
}

func codecs(install func(*runtime.Scheme)) serializer.CodecFactory {
	scheme := runtime.NewScheme()
	install(scheme)
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict)
}

func apiserverCodecs() serializer.CodecFactory { return codecs(apiserverinstall.Install) }

func kubeletCodecs() serializer.CodecFactory {
	_, factory, err := kubeletscheme.NewSchemeAndCodecs(serializer.EnableStrict)
	if err != nil {
		panic(err)
	}
	return *factory
}

func checked[T runtime.Object](check func(T) error) func(runtime.Object) error {
	return func(object runtime.Object) error {
		typed, ok := object.(T)
		if !ok {
			return fmt.Errorf("decoded as %T", object)
		}
		return check(typed)
	}
}

func listed[T runtime.Object](check func(T) field.ErrorList) func(runtime.Object) error {
	return checked(func(typed T) error { return aggregate(check(typed)) })
}

func aggregate(list field.ErrorList) error {
	if len(list) == 0 { // a nil Aggregate in an error is not nil
		return nil
	}
	return list.ToAggregate()
}

// checkKubelet does what the kubelet does in this order: feature gates, logging, then all the rest.
func checkKubelet(c *config.KubeletConfiguration) error {
	takeAnyCgroups(c)
	gates := utilfeature.DefaultFeatureGate.DeepCopy()
	if err := gates.SetFromMap(c.FeatureGates); err != nil {
		return err
	}
	if err := aggregate(logsapi.Validate(&c.Logging, gates, field.NewPath("logging"))); err != nil {
		return err
	}
	return kubeletvalidation.ValidateKubeletConfiguration(c, utilfeature.DefaultFeatureGate)
}

// checkAuthorization adds the rule that only the API server itself has: names of built-in authorizers are fixed.
func checkAuthorization(c *apiserver.AuthorizationConfiguration) error {
	problems := validateAuthorization(c)
	for i, a := range c.Authorizers {
		if want := strings.ToLower(string(a.Type)); string(a.Type) != modes.ModeWebhook && a.Name != want {
			problems = append(problems, field.Invalid(field.NewPath("authorizers").Index(i).Child("name"), a.Name, "must be "+want))
		}
	}
	return aggregate(problems)
}

// checkAdmission judges the configurations inside, too; the API server reads those only when it sets the plugin up.
func checkAdmission(c *apiserver.AdmissionConfiguration) error {
	var problems field.ErrorList
	seen := sets.New[string]()
	for i, plugin := range c.Plugins {
		path := field.NewPath("plugins").Index(i)
		if plugin.Name == "" {
			problems = append(problems, field.Required(path.Child("name"), ""))
		} else if seen.Has(plugin.Name) {
			problems = append(problems, field.Duplicate(path.Child("name"), plugin.Name))
		}
		seen.Insert(plugin.Name)
		if plugin.Path != "" && plugin.Configuration != nil {
			problems = append(problems, field.Forbidden(path, "path and configuration exclude each other"))
		}
		if plugin.Configuration == nil || (plugin.Name != "PodSecurity" && plugin.Name != "EventRateLimit") {
			continue
		}
		for _, err := range judged(plugin.Configuration.Raw) {
			problems = append(problems, field.Invalid(path.Child("configuration"), plugin.Name, err.Error()))
		}
	}
	return aggregate(problems)
}

func checkAuditPolicy(p *auditinternal.Policy) error {
	if err := aggregate(auditvalidation.ValidatePolicy(p)); err != nil {
		return err
	}
	if len(p.Rules) == 0 {
		return fmt.Errorf("loaded illegal policy with 0 rules")
	}
	return nil
}

// checkStaticPod follows the kubelet's way with a manifest: defaults of the file source, validation, no reference into the API.
func checkStaticPod(pod *core.Pod) error {
	if pod.Name == "" {
		return fmt.Errorf("invalid pod: name is needed for the pod")
	}
	if pod.Namespace == "" {
		pod.Namespace = "default"
	}
	if errs := validatePod(pod); len(errs) > 0 {
		return aggregate(errs)
	}
	return refersToAPI(pod)
}

func decodeKubeconfig(document []byte) (runtime.Object, error) {
	factory := serializer.NewCodecFactory(clientcmdlatest.Scheme, serializer.EnableStrict)
	return strict(factory)(document)
}

func checkKubeconfig(c *clientcmdapi.Config) error {
	return clientcmd.Validate(*c)
}
