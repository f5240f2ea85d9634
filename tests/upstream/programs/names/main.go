// Command names prints what one release of Kubernetes calls things, as JSON: the flags of its programs, its
// admission plugins, kubeadm's phases and patch targets.
//
// It is built once a release, from that release's own Go modules (../modules/MINOR), and asks the very functions with which the
// programs set themselves up.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/sets"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/logs"
	"k8s.io/component-base/version/verflag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	kubeadmcmd "k8s.io/kubernetes/cmd/kubeadm/app/cmd"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/patches"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubeapiserver/options"
)

type flagFact struct {
	Type       string `json:"type"`
	Deprecated bool   `json:"deprecated,omitempty"`
	Bare       bool   `json:"bare,omitempty"` // it may stand without a value
}

type facts struct {
	Flags   map[string]flagFact `json:"flags,omitempty"`
	Plugins map[string]bool     `json:"plugins,omitempty"` // whether it is on where nobody says
	Phases  map[string][]string `json:"phases,omitempty"`
	Patches []string            `json:"patches,omitempty"`
}

// One program a run: they share the gates of the process, and some set a default of their own before they make flags of them.
func main() {
	var out facts
	name := strings.Join(os.Args[1:], " ")
	switch name {
	case "kube-apiserver":
		out.Flags, out.Plugins = flagsOf(apiServerFlags()), plugins()
	case "kube-controller-manager":
		out.Flags = flagsOf(controllerManagerFlags())
	case "kube-scheduler":
		out.Flags = flagsOf(schedulerFlags())
	case "kubelet":
		out.Flags = flagsOf(kubeletFlags())
	case "kubeadm":
		out.Phases, out.Patches = phases(), patches.KnownTargets()
		sort.Strings(out.Patches)
	default:
		fmt.Fprintln(os.Stderr, "usage: names kube-apiserver|kube-controller-manager|kube-scheduler|kubelet|kubeadm")
		os.Exit(2)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(out); err != nil {
		fmt.Fprintln(os.Stderr, "names:", err)
		os.Exit(1)
	}
}

// withGlobals adds what the program itself adds to the flags of its options (app/server.go of each).
func withGlobals(name string, sections *cliflag.NamedFlagSets) *pflag.FlagSet {
	verflag.AddFlags(sections.FlagSet("global"))
	globalflag.AddGlobalFlags(sections.FlagSet("global"), name, logs.SkipLoggingConfigurationFlags())
	all := pflag.NewFlagSet(name, pflag.ContinueOnError)
	all.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, section := range sections.FlagSets {
		all.AddFlagSet(section)
	}
	return all
}

func apiServerFlags() *pflag.FlagSet {
	sections := apiserver.NewServerRunOptions().Flags()
	addAPIServerGlobals(sections.FlagSet("generic"))
	return withGlobals("kube-apiserver", &sections)
}

func controllerManagerFlags() *pflag.FlagSet {
	made, err := controllermanager.NewKubeControllerManagerOptions()
	if err != nil {
		panic(err)
	}
	sections := made.Flags(nil, nil, nil)
	addControllerManagerGlobals(sections.FlagSet("generic"))
	return withGlobals("kube-controller-manager", &sections)
}

func schedulerFlags() *pflag.FlagSet {
	return withGlobals("kube-scheduler", scheduler.NewOptions().Flags)
}

func kubeletFlags() *pflag.FlagSet {
	all := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	all.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	configuration, err := kubelet.NewKubeletConfiguration()
	if err != nil {
		panic(err)
	}
	kubelet.NewKubeletFlags().AddFlags(all)
	kubelet.AddKubeletConfigFlags(all, configuration)
	kubelet.AddGlobalFlags(all)
	all.BoolP("help", "h", false, "")
	return all
}

func flagsOf(set *pflag.FlagSet) map[string]flagFact {
	found := map[string]flagFact{}
	set.VisitAll(func(one *pflag.Flag) {
		found[one.Name] = flagFact{Type: one.Value.Type(), Deprecated: one.Deprecated != "" || strings.HasPrefix(one.Usage, "DEPRECATED"),
			Bare: one.NoOptDefVal != ""}
	})
	return found
}

func plugins() map[string]bool {
	off := sets.New[string]()
	for name := range options.DefaultOffAdmissionPlugins() {
		off.Insert(name)
	}
	found := map[string]bool{}
	for _, name := range options.AllOrderedPlugins {
		found[name] = !off.Has(name)
	}
	return found
}

func phases() map[string][]string {
	root := kubeadmcmd.NewKubeadmCommand(strings.NewReader(""), io.Discard, io.Discard)
	found := map[string][]string{}
	for _, role := range []string{"init", "join"} {
		for _, command := range root.Commands() {
			if command.Name() != role {
				continue
			}
			for _, phase := range command.Commands() {
				if phase.Name() == "phase" {
					found[role] = below(phase, "")
				}
			}
		}
		sort.Strings(found[role])
	}
	return found
}

// below are the phases of a command: `kubeadm init phase certs all` is no phase, it runs them all.
func below(command *cobra.Command, path string) []string {
	var found []string
	for _, each := range command.Commands() {
		if each.Name() == "all" || each.Name() == "help" {
			continue
		}
		found = append(found, path+each.Name())
		found = append(found, below(each, path+each.Name()+"/")...)
	}
	return found
}
