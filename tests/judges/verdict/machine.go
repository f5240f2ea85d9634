//go:build !kubeadm_only

// What kubeadm is given, judged as all its readers do, one after the other. The stages: `kubeadm` (its loading and validation),
// `patch TARGET` (kubeadm applies its patches), `pod NAME` (what the kubelet asks of a static pod, and one thing that a container
// runtime does), `kubelet` (its configuration after patches), `kube-apiserver` (options, and the files that they name).

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	clientset "k8s.io/client-go/kubernetes/scheme"
	logsapi "k8s.io/component-base/logs/api/v1"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/addons/dns"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/addons/proxy"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/controlplane"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/etcd"
	kubeletphase "k8s.io/kubernetes/cmd/kubeadm/app/phases/kubelet"
	kubeadmutil "k8s.io/kubernetes/cmd/kubeadm/app/util"
	configutil "k8s.io/kubernetes/cmd/kubeadm/app/util/config"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/patches"
	staticpodutil "k8s.io/kubernetes/cmd/kubeadm/app/util/staticpod"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/capabilities"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubeletscheme "k8s.io/kubernetes/pkg/kubelet/apis/config/scheme"
	kubeletvalidation "k8s.io/kubernetes/pkg/kubelet/apis/config/validation"
)

// Targets of patches that do not have a name in Go in all versions.
const coreDNS, kubeProxy = "corednsdeployment", "kubeproxydaemonset"

// ours is where machineadm writes what the API server reads; the judge has it in a directory of its own.
const ours = "/etc/kubernetes/machineadm/"

// named are the arguments whose value is a file that must be there.
var named = regexp.MustCompile(`^(.*(-file|-config|kubeconfig|-cafile|-certfile|-keyfile|-client-certificate|-client-key|-certificate-authority)|config)$`)

func init() {
	judges["machine"] = judgeMachine
	// As the kubelet does when it starts.
	capabilities.Initialize(capabilities.Capabilities{AllowPrivileged: true})
}

func judgeMachine(asked request, verdict *answer) {
	stage := "kubeadm"
	defer func() {
		if panicked := recover(); panicked != nil {
			verdict.add(stage, fmt.Errorf("panic: %v", panicked))
		}
	}()
	dir, err := os.MkdirTemp("", "controlplane-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	patchesDir, err := write(dir, asked)
	if err != nil {
		panic(err)
	}
	cfg, err := configutil.BytesToInitConfiguration([]byte(asked.Config), true)
	if err != nil {
		verdict.add(stage, err)
		return
	}
	for name, pod := range pods(cfg) {
		stage = "patch " + name
		if patchesDir != "" {
			patched, err := staticpodutil.PatchStaticPod(&pod, patchesDir, io.Discard)
			if err != nil {
				verdict.add(stage, err)
				continue
			}
			pod = *patched
		}
		stage = "pod " + name
		verdict.add(stage, static(pod, cfg.NodeRegistration.Name))
		for _, container := range pod.Spec.Containers {
			if container.Name == "kube-apiserver" && len(container.Command) > 0 {
				stage = container.Name
				for _, err := range server(container.Command, dir) {
					verdict.add(stage, err)
				}
			}
		}
	}
	if patchesDir != "" {
		stage = "patch " + patches.KubeletConfiguration
		if err := patchedKubelet(cfg, dir, patchesDir); err != nil {
			verdict.add(stage, err)
		}
		stage = "patch " + coreDNS
		verdict.add(stage, patchedDNS(cfg, patchesDir))
		if slices.Contains(patches.KnownTargets(), kubeProxy) {
			stage = "patch " + kubeProxy
			verdict.add(stage, patchedProxy(cfg, patchesDir))
		}
	}
}

// write lays the files of a case out, and says where its patches are; nowhere when there are none.
func write(dir string, asked request) (string, error) {
	for path, text := range asked.Files {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	if len(asked.Patches) == 0 {
		return "", nil
	}
	directory := filepath.Join(dir, "patches")
	if err := os.Mkdir(directory, 0o700); err != nil {
		return "", err
	}
	for name, text := range asked.Patches {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return directory, nil
}

func pods(cfg *kubeadmapi.InitConfiguration) map[string]v1.Pod {
	specs := controlplane.GetStaticPodSpecs(&cfg.ClusterConfiguration, &cfg.LocalAPIEndpoint, []kubeadmapi.EnvVar{})
	if cfg.Etcd.Local != nil {
		specs["etcd"] = etcd.GetEtcdPodSpec(&cfg.ClusterConfiguration, &cfg.LocalAPIEndpoint, cfg.NodeRegistration.Name, nil)
	}
	return specs
}

// static follows the kubelet's way with a manifest (pkg/kubelet/config/common.go): lenient decoding, the defaults of its file
// source, validation, no reference into the API. A mount at the root of a container is nobody's rule, but no runtime starts it.
func static(pod v1.Pod, node string) error {
	text, err := kubeadmutil.MarshalToYaml(&pod, v1.SchemeGroupVersion)
	if err != nil {
		return err
	}
	object, err := runtime.Decode(legacyscheme.Codecs.UniversalDecoder(), text)
	if err != nil {
		return err
	}
	read, ok := object.(*core.Pod)
	if !ok {
		return fmt.Errorf("invalid pod: %T", object)
	}
	if read.Name == "" {
		return fmt.Errorf("invalid pod: name is needed for the pod")
	}
	read.Name += "-" + node
	if read.Namespace == "" {
		read.Namespace = "default"
	}
	if errs := validatePod(read); len(errs) > 0 {
		return errs.ToAggregate()
	}
	if err := refersToAPI(read); err != nil {
		return err
	}
	return starts(read)
}

// starts is what no validation says and every runtime does: nothing is mounted at / or in /proc, and a file that an argument
// names is where the container has it.
func starts(pod *core.Pod) error {
	for _, container := range pod.Spec.Containers {
		var tops []string
		for _, mount := range container.VolumeMounts {
			top := filepath.Clean(mount.MountPath)
			if top == "/" || top == "/proc" || strings.HasPrefix(top, "/proc/") {
				return fmt.Errorf("container %s: nothing can be mounted at %s", container.Name, top)
			}
			tops = append(tops, top)
		}
		for _, arg := range append(container.Command, container.Args...) {
			name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			if !named.MatchString(name) || !strings.HasPrefix(value, "/") {
				continue
			}
			if !slices.ContainsFunc(tops, func(top string) bool { return value == top || strings.HasPrefix(value, top+"/") }) {
				return fmt.Errorf("container %s: %s is below no mount", container.Name, arg)
			}
		}
	}
	return nil
}

// server does what kube-apiserver does with its command line before it asks anybody else, as far as the files of the case go.
func server(command []string, dir string) []error {
	s := apiserver.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	sections := s.Flags()
	for _, section := range sections.FlagSets {
		flags.AddFlagSet(section)
	}
	args := make([]string, 0, len(command))
	for _, arg := range command[1:] {
		args = append(args, strings.Replace(arg, "="+ours, "="+dir+"/", 1))
	}
	if err := flags.Parse(args); err != nil {
		return []error{err}
	}
	var errs []error
	errs = append(errs, s.Authentication.Validate()...)
	errs = append(errs, s.Authorization.Validate()...)
	errs = append(errs, s.Admission.Validate()...)
	errs = append(errs, s.Audit.Validate()...)
	// What kubeadm makes later is not there to be read.
	s.Authentication.ClientCert.ClientCA = ""
	s.Authentication.RequestHeader = nil
	s.Authentication.ServiceAccounts = nil
	if _, err := s.Authentication.ToAuthenticationConfig(); err != nil {
		errs = append(errs, err)
	}
	if path := s.Etcd.EncryptionProviderConfigFilepath; path != "" {
		// Nobody waits for the key service, which is not there.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := encryptionconfig.LoadEncryptionConfig(ctx, path, false, "judge"); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// patchedKubelet is what becomes of the KubeletConfiguration: patched by kubeadm, then read and checked by the kubelet.
func patchedKubelet(cfg *kubeadmapi.InitConfiguration, dir, patchesDir string) error {
	directory := filepath.Join(dir, "kubelet")
	if err := os.Mkdir(directory, 0o700); err != nil {
		return err
	}
	// kubeadm writes it first, from what the node's socket is.
	instance := []byte("containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n")
	if err := os.WriteFile(filepath.Join(directory, "instance-config.yaml"), instance, 0o600); err != nil {
		return err
	}
	if err := kubeletphase.WriteConfigToDisk(&cfg.ClusterConfiguration, directory, patchesDir, io.Discard); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(directory, "config.yaml"))
	if err != nil {
		return err
	}
	_, codecs, err := kubeletscheme.NewSchemeAndCodecs()
	if err != nil {
		return err
	}
	object, err := runtime.Decode(codecs.UniversalDecoder(), text)
	if err != nil {
		return err
	}
	config, ok := object.(*kubeletconfig.KubeletConfiguration)
	if !ok {
		return fmt.Errorf("not a KubeletConfiguration: %T", object)
	}
	takeAnyCgroups(config)
	gates := utilfeature.DefaultFeatureGate.DeepCopy()
	if err := gates.SetFromMap(config.FeatureGates); err != nil {
		return err
	}
	if errs := logsapi.Validate(&config.Logging, gates, nil); len(errs) > 0 {
		return errs.ToAggregate()
	}
	return kubeletvalidation.ValidateKubeletConfiguration(config, gates)
}

// patchedDNS applies patches to CoreDNS' Deployment and reads what comes out.
func patchedDNS(cfg *kubeadmapi.InitConfiguration, patchesDir string) error {
	replicas := int32(2)
	manifest, err := kubeadmutil.ParseTemplate(dns.CoreDNSDeployment, struct {
		DeploymentName, Image, ControlPlaneTaintKey string
		Replicas                                    *int32
	}{"coredns", "registry.k8s.io/coredns/coredns:v1.12.1", "node-role.kubernetes.io/control-plane", &replicas})
	if err != nil {
		return err
	}
	return patchedObject(coreDNS, manifest, &appsv1.Deployment{}, appsv1.Deployment{}, patchesDir)
}

// patchedProxy does the same with kube-proxy's DaemonSet, which is patched from 1.37 on.
func patchedProxy(cfg *kubeadmapi.InitConfiguration, patchesDir string) error {
	manifest, err := kubeadmutil.ParseTemplate(proxy.KubeProxyDaemonSet19, struct{ Image, ProxyConfigMap, ProxyConfigMapKey string }{
		"registry.k8s.io/kube-proxy:" + cfg.KubernetesVersion, "kube-proxy", "config.conf"})
	if err != nil {
		return err
	}
	return patchedObject(kubeProxy, manifest, &appsv1.DaemonSet{}, appsv1.DaemonSet{}, patchesDir)
}

// patchedObject is what kubeadm does with the manifest of an addon: patch it, and decode it before it is created.
func patchedObject(name string, manifest []byte, decoded runtime.Object, shape any, patchesDir string) error {
	manager, err := patches.GetPatchManagerForPath(patchesDir, patches.KnownTargets(), io.Discard)
	if err != nil || !slices.Contains(patches.KnownTargets(), name) {
		return err
	}
	target := &patches.PatchTarget{Name: name, StrategicMergePatchObject: shape, Data: manifest}
	if err := manager.ApplyPatchesToTarget(target); err != nil {
		return err
	}
	return runtime.DecodeInto(clientset.Codecs.UniversalDecoder(), target.Data, decoded)
}
