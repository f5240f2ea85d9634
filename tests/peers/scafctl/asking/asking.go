// Package asking is what the hosts of this module share: they start a plugin, ask it for all it can do, and print a line of
// JSON for each check.
package asking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/oakwood-commons/scafctl-plugin-sdk/plugin/proto"
	"google.golang.org/grpc"
)

// Secrets answers a plugin that asks its host for a secret.
type Secrets func(*proto.GetSecretRequest) *proto.GetSecretResponse

// Check is one thing that a plugin must be able to do.
type Check struct {
	Name string
	Run  func() error
}

type hostService struct {
	proto.UnimplementedHostServiceServer
	secrets Secrets
}

func (s hostService) GetSecret(_ context.Context, r *proto.GetSecretRequest) (*proto.GetSecretResponse, error) {
	return s.secrets(r), nil
}

type kind struct {
	goplugin.NetRPCUnsupportedPlugin
	secrets Secrets
	opened  func(conn *grpc.ClientConn, host uint32)
}

func (kind) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return errors.New("a host") }
func (k kind) GRPCClient(_ context.Context, broker *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	id := broker.NextId()
	go broker.AcceptAndServe(id, func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(options...)
		proto.RegisterHostServiceServer(server, hostService{secrets: k.secrets})
		return server
	})
	k.opened(conn, id)
	return conn, nil
}

// Run starts the program of the command line as a plugin of a kind, and goes through the checks. `opened` gets the connection
// and the number of the host's service.
func Run(name string, handshake goplugin.HandshakeConfig, secrets Secrets, opened func(*grpc.ClientConn, uint32), checks []Check) {
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          goplugin.PluginSet{name: kind{secrets: secrets, opened: opened}},
		Cmd:              exec.Command(os.Args[1], os.Args[2:]...),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: os.Stderr}),
	})
	defer client.Kill()
	start := Check{"start", func() error {
		protocol, err := client.Client()
		if err == nil {
			_, err = protocol.Dispense(name)
		}
		return err
	}}
	for _, one := range append([]Check{start}, checks...) {
		err := one.Run()
		answer := map[string]any{"check": one.Name, "ok": err == nil}
		if err != nil {
			answer["error"] = err.Error()
		}
		line, _ := json.Marshal(answer)
		fmt.Println(string(line))
		if one.Name == start.Name && err != nil {
			return
		}
	}
}

// Within bounds one call.
func Within() context.Context {
	ctx, _ := context.WithTimeout(context.Background(), 20*time.Second)
	return ctx
}

// Expect is an error unless the answer is as it must be.
func Expect(ok bool, err error, found any) error {
	if ok && err == nil {
		return nil
	}
	return fmt.Errorf("%v, %v", found, err)
}
