//go:build !kubeadm_only

// What the programs say of their arguments: parsed, completed, validated, as far as that asks nobody else.

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
)

func init() {
	judges["flags"] = judgeFlags
	// As each program does itself (app/server.go).
	utilruntime.Must(logsapi.AddFeatureGates(utilfeature.DefaultMutableFeatureGate))
}

func judgeFlags(asked request, verdict *answer) {
	ask, known := programs[asked.Program]
	if !known {
		panic("no program " + asked.Program)
	}
	args, gates := withoutGates(asked.Program, asked.Args)
	if gates != nil {
		verdict.add(asked.Program, utilfeature.DefaultMutableFeatureGate.DeepCopy().Set(*gates))
	}
	for _, one := range ask(args) {
		verdict.add(asked.Program, one)
	}
	var quiet klog.Level // which an argument may have changed
	_ = quiet.Set("0")
}

// withoutGates takes --feature-gates away, which would change those of the judge; the kubelet has them in its configuration.
func withoutGates(program string, args []string) (others []string, gates *string) {
	for _, arg := range args {
		if value, found := strings.CutPrefix(arg, "--feature-gates="); found && program != "kubelet" {
			gates = &value
			continue
		}
		others = append(others, arg)
	}
	return others, gates
}

var programs = map[string]func(args []string) []error{
	"kube-apiserver":          askAPIServer,
	"kube-controller-manager": askControllerManager,
	"kube-scheduler":          askScheduler,
	"kubelet":                 askKubelet,
}

// parse gives the arguments to all flags of a program.
func parse(sections cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet("judged", pflag.ContinueOnError)
	all.SetOutput(io.Discard)
	all.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, section := range sections.FlagSets {
		all.AddFlagSet(section)
	}
	return all.Parse(args)
}

var ground = sync.OnceValues(func() ([]string, error) {
	directory, err := os.MkdirTemp("", "verdict-flags-")
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(directory, "sa.key")
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	// What kubeadm gives the API server, as far as Complete and Validate look at it (authorization-mode: see askAPIServer).
	return []string{
		"--advertise-address=10.0.0.1", "--etcd-servers=https://127.0.0.1:2379", "--service-cluster-ip-range=10.96.0.0/12",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local", "--service-account-key-file=" + path,
		"--service-account-signing-key-file=" + path, "--enable-admission-plugins=NodeRestriction",
		"--tls-cert-file=" + path, "--tls-private-key-file=" + path,
	}, nil
})

func askAPIServer(args []string) []error {
	below, err := ground()
	if err != nil {
		panic(err)
	}
	// kubeadm leaves the modes out where the configuration is in a file.
	if !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--authorization-config=") }) {
		below = append(slices.Clone(below), "--authorization-mode=Node,RBAC")
	}
	made := apiserver.NewServerRunOptions()
	if err := parse(made.Flags(), append(without(below, args), args...)); err != nil {
		return []error{err}
	}
	errs := listedErrors(logsapi.Validate(made.Logs, utilfeature.DefaultFeatureGate, field.NewPath("logging")))
	completed, err := completeAPIServer(context.Background(), made)
	if err != nil {
		return append(errs, err)
	}
	return append(errs, completed.Validate()...)
}

func listedErrors(list field.ErrorList) (out []error) {
	for _, one := range list {
		out = append(out, one)
	}
	return out
}

func askControllerManager(args []string) []error {
	made, err := controllermanager.NewKubeControllerManagerOptions()
	if err != nil {
		panic(err)
	}
	// What kubeadm gives it, as far as Validate looks at it.
	below := []string{"--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt", "--cluster-signing-key-file=/etc/kubernetes/pki/ca.key"}
	if err := parse(made.Flags(nil, nil, nil), append(without(below, args), args...)); err != nil {
		return []error{err}
	}
	errs := listedErrors(logsapi.Validate(made.Logs, utilfeature.DefaultFeatureGate, field.NewPath("logging")))
	return append(errs, flatten(made.Validate(nil, nil, nil))...)
}

func askScheduler(args []string) []error {
	made := scheduler.NewOptions()
	if err := parse(*made.Flags, args); err != nil {
		return []error{err}
	}
	configuration, err := latest.Default()
	if err != nil {
		panic(err)
	}
	made.ComponentConfig = configuration
	errs := listedErrors(logsapi.Validate(made.Logs, utilfeature.DefaultFeatureGate, field.NewPath("logging")))
	return append(errs, made.Validate()...)
}

func askKubelet(args []string) []error {
	all := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	all.SetOutput(io.Discard)
	all.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	configuration, err := kubelet.NewKubeletConfiguration()
	if err != nil {
		panic(err)
	}
	flags := kubelet.NewKubeletFlags()
	flags.AddFlags(all)
	kubelet.AddKubeletConfigFlags(all, configuration)
	kubelet.AddGlobalFlags(all)
	if err := all.Parse(args); err != nil {
		return []error{err}
	}
	errs := flatten(kubelet.ValidateKubeletFlags(flags))
	return append(errs, flatten(checkKubelet(configuration))...)
}
