//go:build tools

// Package tools names what build.sh builds of the module, so that go.sum has all that this needs.
package tools

import (
	_ "k8s.io/client-go/plugin/pkg/client/auth"

	_ "sigs.k8s.io/cluster-api/cmd/clusterctl/cmd"
)
