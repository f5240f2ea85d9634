// A host on go-plugin that measures itself: starts with the first call, and calls of 100 bytes, over AutoMTLS.
// Each line on standard input is an order, "start" or "calls N"; each answer is the seconds that it took.
//
//	bench PLUGIN
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"machineadm.dev/tests/peers/go-plugin/peer"
	"machineadm.dev/tests/peers/go-plugin/probe"
)

var message = &probe.Message{Data: bytes.Repeat([]byte("x"), 100)}

func started() (*goplugin.Client, *peer.Client) {
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  peer.Handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{1: {"probe": &peer.Plugin{}}},
		Cmd:              exec.Command(os.Args[1]),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		Logger:           hclog.NewNullLogger(),
	})
	protocol, err := client.Client()
	must(err)
	raw, err := protocol.Dispense("probe")
	must(err)
	return client, raw.(*peer.Client)
}

func call(plugin *peer.Client) {
	reply, err := plugin.Echo(context.Background(), message)
	must(err)
	if !bytes.Equal(reply.Data, message.Data) {
		must(fmt.Errorf("another answer"))
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		goplugin.CleanupClients()
		os.Exit(1)
	}
}

func main() {
	long, plugin := started()
	defer long.Kill()
	call(plugin)
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		var count int
		begin := time.Now()
		if _, err := fmt.Sscanf(orders.Text(), "calls %d", &count); err == nil {
			for range count {
				call(plugin)
			}
			fmt.Println(time.Since(begin).Seconds())
			continue
		}
		client, other := started()
		call(other)
		seconds := time.Since(begin).Seconds()
		client.Kill()
		fmt.Println(seconds)
	}
}
