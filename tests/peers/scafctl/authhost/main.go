// A host on the types of scafctl's SDK that asks an auth handler plugin for all it can do, and prints a line of JSON for each check.
//
//	authhost COMMAND...
package main

import (
	"errors"
	"io"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"
	sdk "github.com/oakwood-commons/scafctl-plugin-sdk/plugin"
	"github.com/oakwood-commons/scafctl-plugin-sdk/plugin/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"machineadm.dev/tests/peers/scafctl/asking"
)

var plugin struct {
	proto.AuthHandlerServiceClient
	host uint32
}

func secrets(r *proto.GetSecretRequest) *proto.GetSecretResponse {
	return &proto.GetSecretResponse{Value: "k3y-" + r.Name, Found: true}
}

func main() {
	handshake := sdk.AuthHandlerHandshakeConfig()
	asking.Run("auth-handler", goplugin.HandshakeConfig{
		ProtocolVersion:  handshake.ProtocolVersion,
		MagicCookieKey:   handshake.MagicCookieKey,
		MagicCookieValue: handshake.MagicCookieValue,
	}, secrets, func(conn *grpc.ClientConn, host uint32) {
		plugin.AuthHandlerServiceClient, plugin.host = proto.NewAuthHandlerServiceClient(conn), host
	}, []asking.Check{
		{"handlers", handlers}, {"configure", configure}, {"unknown handler", unknown}, {"login", login},
		{"refused login", refusedLogin}, {"status", state}, {"token", token}, {"refused token", refusedToken},
		{"secret", secret}, {"cached tokens", cached}, {"purge", purge}, {"logout", logout}, {"stop", stop},
	})
}

func handlers() error {
	r, err := plugin.GetAuthHandlers(asking.Within(), &proto.GetAuthHandlersRequest{})
	return asking.Expect(len(r.GetHandlers()) == 1 && r.Handlers[0].Name == "entra" && strings.Join(r.Handlers[0].Flows, " ") == "device_code", err, r)
}

func configure() error {
	r, err := plugin.ConfigureAuthHandler(asking.Within(), &proto.ConfigureAuthHandlerRequest{
		HandlerName: "entra", HostServiceId: plugin.host, ProtocolVersion: 2,
		Settings: map[string][]byte{"tenant": []byte(`"acme"`)},
	})
	return asking.Expect(r.GetError() == "" && r.GetProtocolVersion() == 2, err, r)
}

func unknown() error {
	_, err := plugin.GetStatus(asking.Within(), &proto.GetStatusRequest{HandlerName: "nope"})
	return asking.Expect(status.Code(err) == codes.Unknown && strings.Contains(err.Error(), "unknown auth handler: nope"), nil, err)
}

func loggedIn(flow string) (prompts []string, claims *proto.Claims, said string, err error) {
	s, err := plugin.Login(asking.Within(), &proto.LoginRequest{HandlerName: "entra", Flow: flow, TenantId: "acme"})
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
	return asking.Expect(strings.Join(prompts, " ") == "AB CD" && claims.GetSubject() == "ada" && said == "", err, said)
}

func refusedLogin() error {
	prompts, claims, said, err := loggedIn("pat")
	return asking.Expect(len(prompts) == 0 && claims == nil && said == "no such flow", err, said)
}

func state() error {
	r, err := plugin.GetStatus(asking.Within(), &proto.GetStatusRequest{HandlerName: "entra"})
	return asking.Expect(r.GetAuthenticated() && r.GetClaims().GetSubject() == "ada" && r.GetTenantId() == "acme", err, r)
}

func ask(scope string) (*proto.GetTokenResponse, error) {
	return plugin.GetToken(asking.Within(), &proto.GetTokenRequest{HandlerName: "entra", Scope: scope, MinValidForSeconds: 60})
}

func token() error {
	r, err := ask("files")
	return asking.Expect(r.GetAccessToken() == "for-files-60" && r.GetTokenType() == "Bearer" && r.GetExpiresAtUnix() == 99, err, r)
}

func refusedToken() error {
	_, err := ask("broken")
	return asking.Expect(status.Code(err) == codes.Unknown && strings.Contains(err.Error(), "no route"), nil, err)
}

func secret() error {
	r, err := ask("secret")
	return asking.Expect(r.GetAccessToken() == "k3y-entra/key", err, r)
}

func cached() error {
	r, err := plugin.ListCachedTokens(asking.Within(), &proto.ListCachedTokensRequest{HandlerName: "entra"})
	return asking.Expect(len(r.GetTokens()) == 1 && r.Tokens[0].Scope == "files" && r.Tokens[0].IsExpired, err, r)
}

func purge() error {
	r, err := plugin.PurgeExpiredTokens(asking.Within(), &proto.PurgeExpiredTokensRequest{HandlerName: "entra"})
	return asking.Expect(r.GetPurgedCount() == 1, err, r)
}

func logout() error {
	_, err := plugin.Logout(asking.Within(), &proto.LogoutRequest{HandlerName: "entra"})
	if err != nil {
		return err
	}
	r, err := plugin.GetStatus(asking.Within(), &proto.GetStatusRequest{HandlerName: "entra"})
	return asking.Expect(!r.GetAuthenticated(), err, r)
}

func stop() error {
	r, err := plugin.StopAuthHandler(asking.Within(), &proto.StopAuthHandlerRequest{HandlerName: "entra"})
	return asking.Expect(r.GetError() == "", err, r)
}
