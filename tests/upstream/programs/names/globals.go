//go:build !legacy

package main

import "github.com/spf13/pflag"

// From 1.34 on all flags are those of the options.

func addAPIServerGlobals(*pflag.FlagSet) {}

func addControllerManagerGlobals(*pflag.FlagSet) {}
