// The mock secrets engine of Vault's SDK, as it is, served by the SDK.
package main

import (
	"os"

	"github.com/hashicorp/vault/sdk/plugin"
	"github.com/hashicorp/vault/sdk/plugin/mock"
)

func main() {
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: mock.Factory}); err != nil {
		os.Exit(1)
	}
}
