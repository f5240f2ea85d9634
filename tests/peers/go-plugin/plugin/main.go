// A plugin that serves the test service with go-plugin.
package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"machineadm.dev/tests/peers/go-plugin/peer"
)

func main() {
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr, JSONFormat: true, Name: "probe"})
	sets := map[int]goplugin.PluginSet{}
	versions := "1"
	if len(os.Args) > 1 {
		versions = os.Args[1]
	}
	for _, text := range strings.Split(versions, ",") {
		version, err := strconv.Atoi(text)
		if err != nil {
			panic(err)
		}
		sets[version] = goplugin.PluginSet{"probe": &peer.Plugin{Logger: log}}
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  peer.Handshake,
		VersionedPlugins: sets,
		GRPCServer:       peer.Grpc,
		Logger:           log,
	})
}
