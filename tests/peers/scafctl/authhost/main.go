// A host on the types of scafctl's SDK that asks an auth handler plugin for all it can do, and prints a line of JSON for each check.
//
//	authhost COMMAND...
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	sdk "github.com/oakwood-commons/scafctl-plugin-sdk/plugin"
	"github.com/oakwood-commons/scafctl-plugin-sdk/plugin/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type hostService struct {
	proto.UnimplementedHostServiceServer
}

func (hostService) GetSecret(_ context.Context, r *proto.GetSecretRequest) (*proto.GetSecretResponse, error) {
	return &proto.GetSecretResponse{Value: "k3y-" + r.Name, Found: true}, nil
}

type kind struct {
	goplugin.NetRPCUnsupportedPlugin
}

type handler struct {
	proto.AuthHandlerServiceClient
	host uint32
}

func (kind) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return errors.New("a host") }
func (kind) GRPCClient(_ context.Context, broker *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	id := broker.NextId()
	go broker.AcceptAndServe(id, func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(options...)
		proto.RegisterHostServiceServer(server, hostService{})
		return server
	})
	return &handler{proto.NewAuthHandlerServiceClient(conn), id}, nil
}

var plugin *handler

func within() context.Context {
	ctx, _ := context.WithTimeout(context.Background(), 20*time.Second)
	return ctx
}

func main() {
	handshake := sdk.AuthHandlerHandshakeConfig()
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion:  handshake.ProtocolVersion,
			MagicCookieKey:   handshake.MagicCookieKey,
			MagicCookieValue: handshake.MagicCookieValue,
		},
		Plugins:          goplugin.PluginSet{"auth-handler": kind{}},
		Cmd:              exec.Command(os.Args[1], os.Args[2:]...),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: os.Stderr}),
	})
	defer client.Kill()
	for _, one := range []struct {
		name string
		run  func() error
	}{
		{"start", func() error {
			protocol, err := client.Client()
			if err != nil {
				return err
			}
			raw, err := protocol.Dispense("auth-handler")
			if err == nil {
				plugin = raw.(*handler)
			}
			return err
		}},
		{"handlers", handlers}, {"configure", configure}, {"unknown handler", unknown}, {"login", login},
		{"refused login", refusedLogin}, {"status", state}, {"token", token}, {"refused token", refusedToken},
		{"secret", secret}, {"cached tokens", cached}, {"purge", purge}, {"logout", logout}, {"stop", stop},
	} {
		err := one.run()
		answer := map[string]any{"check": one.name, "ok": err == nil}
		if err != nil {
			answer["error"] = err.Error()
		}
		line, _ := json.Marshal(answer)
		fmt.Println(string(line))
		if plugin == nil {
			return
		}
	}
}

func expect(ok bool, err error, found any) error {
	if ok && err == nil {
		return nil
	}
	return fmt.Errorf("%v, %v", found, err)
}

func handlers() error {
	r, err := plugin.GetAuthHandlers(within(), &proto.GetAuthHandlersRequest{})
	return expect(len(r.GetHandlers()) == 1 && r.Handlers[0].Name == "entra" && strings.Join(r.Handlers[0].Flows, " ") == "device_code", err, r)
}

func configure() error {
	r, err := plugin.ConfigureAuthHandler(within(), &proto.ConfigureAuthHandlerRequest{
		HandlerName: "entra", HostServiceId: plugin.host, ProtocolVersion: 2,
		Settings: map[string][]byte{"tenant": []byte(`"acme"`)},
	})
	return expect(r.GetError() == "" && r.GetProtocolVersion() == 2, err, r)
}

func unknown() error {
	_, err := plugin.GetStatus(within(), &proto.GetStatusRequest{HandlerName: "nope"})
	return expect(status.Code(err) == codes.Unknown && strings.Contains(err.Error(), "unknown auth handler: nope"), nil, err)
}

func loggedIn(flow string) (prompts []string, claims *proto.Claims, said string, err error) {
	s, err := plugin.Login(within(), &proto.LoginRequest{HandlerName: "entra", Flow: flow, TenantId: "acme"})
	for err == nil {
		var message *proto.LoginStreamMessage
		message, err = s.Recv()
		if prompt := message.GetDeviceCodePrompt(); prompt != nil {
			prompts = append(prompts, prompt.UserCode)
		}
		if result := message.GetResult(); result != nil {
			claims = result.Claims
		}
		if message.GetError() != "" {
			said = message.GetError()
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return
}

func login() error {
	prompts, claims, said, err := loggedIn("device_code")
	return expect(strings.Join(prompts, " ") == "AB CD" && claims.GetSubject() == "ada" && said == "", err, said)
}

func refusedLogin() error {
	prompts, claims, said, err := loggedIn("pat")
	return expect(len(prompts) == 0 && claims == nil && said == "no such flow", err, said)
}

func state() error {
	r, err := plugin.GetStatus(within(), &proto.GetStatusRequest{HandlerName: "entra"})
	return expect(r.GetAuthenticated() && r.GetClaims().GetSubject() == "ada" && r.GetTenantId() == "acme", err, r)
}

func ask(scope string) (*proto.GetTokenResponse, error) {
	return plugin.GetToken(within(), &proto.GetTokenRequest{HandlerName: "entra", Scope: scope, MinValidForSeconds: 60})
}

func token() error {
	r, err := ask("files")
	return expect(r.GetAccessToken() == "for-files-60" && r.GetTokenType() == "Bearer" && r.GetExpiresAtUnix() == 99, err, r)
}

func refusedToken() error {
	_, err := ask("broken")
	return expect(status.Code(err) == codes.Unknown && strings.Contains(err.Error(), "no route"), nil, err)
}

func secret() error {
	r, err := ask("secret")
	return expect(r.GetAccessToken() == "k3y-entra/key", err, r)
}

func cached() error {
	r, err := plugin.ListCachedTokens(within(), &proto.ListCachedTokensRequest{HandlerName: "entra"})
	return expect(len(r.GetTokens()) == 1 && r.Tokens[0].Scope == "files" && r.Tokens[0].IsExpired, err, r)
}

func purge() error {
	r, err := plugin.PurgeExpiredTokens(within(), &proto.PurgeExpiredTokensRequest{HandlerName: "entra"})
	return expect(r.GetPurgedCount() == 1, err, r)
}

func logout() error {
	_, err := plugin.Logout(within(), &proto.LogoutRequest{HandlerName: "entra"})
	if err != nil {
		return err
	}
	r, err := plugin.GetStatus(within(), &proto.GetStatusRequest{HandlerName: "entra"})
	return expect(!r.GetAuthenticated(), err, r)
}

func stop() error {
	r, err := plugin.StopAuthHandler(within(), &proto.StopAuthHandlerRequest{HandlerName: "entra"})
	return expect(r.GetError() == "", err, r)
}
