// A host of go-plugin with HashiCorp's plugincontainer: starts a plugin of the test service in a container, makes one call, ends it.
//
// The configuration is JSON on standard input; what it says of the result is JSON on standard output.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"github.com/hashicorp/go-secure-stdlib/plugincontainer"
)

type answer struct {
	Error string `json:"error"`
}

func main() {
	var config plugincontainer.Config
	if err := json.NewDecoder(os.Stdin).Decode(&config); err != nil {
		tell(err)
		return
	}
	tell(run(&config))
}

func tell(err error) {
	found := answer{}
	if err != nil {
		found.Error = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(found)
}

func run(config *plugincontainer.Config) error {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "MACHINEADM_TEST_PLUGIN",
			MagicCookieValue: "probe",
		},
		Plugins:          plugin.PluginSet{},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		Logger:           hclog.NewNullLogger(),
		UnixSocketConfig: &plugin.UnixSocketConfig{Group: group(config)},
		RunnerFunc: func(logger hclog.Logger, cmd *exec.Cmd, directory string) (runner.Runner, error) {
			return config.NewContainerRunner(logger, cmd, directory)
		},
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return protocol.Ping()
}

func group(config *plugincontainer.Config) string {
	if config.GroupAdd == 0 {
		return ""
	}
	return strconv.Itoa(config.GroupAdd)
}
