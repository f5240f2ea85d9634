//go:build legacy

package main

import (
	"flag"

	"github.com/spf13/pflag"
	"k8s.io/component-base/cli/globalflag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// Up to 1.33 packages leave flags in the flag set of the process, from where the programs take them.

func addAPIServerGlobals(set *pflag.FlagSet) { apiserver.AddCustomGlobalFlags(set) }

// addControllerManagerGlobals is what cmd/kube-controller-manager/app/flags_providers.go does up to 1.30.
func addControllerManagerGlobals(set *pflag.FlagSet) {
	for _, name := range []string{"cloud-provider-gce-lb-src-cidrs", "cloud-provider-gce-l7lb-src-cidrs"} {
		if flag.CommandLine.Lookup(name) != nil {
			globalflag.Register(set, name)
		}
	}
}
