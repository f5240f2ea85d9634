// A host on the types of scafctl's SDK that asks a provider plugin for all it can do, and prints a line of JSON for each check.
//
//	host COMMAND...
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
	if r.Name != "own/a" {
		return &proto.GetSecretResponse{Error: "access denied: secret name outside allowed scope"}, nil
	}
	return &proto.GetSecretResponse{Value: "42", Found: true}, nil
}

type kind struct {
	goplugin.NetRPCUnsupportedPlugin
}

type provider struct {
	proto.PluginServiceClient
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
	return &provider{proto.NewPluginServiceClient(conn), id}, nil
}

var plugin *provider

func within() context.Context {
	ctx, _ := context.WithTimeout(context.Background(), 20*time.Second)
	return ctx
}

func main() {
	handshake := sdk.HandshakeConfig()
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion:  handshake.ProtocolVersion,
			MagicCookieKey:   handshake.MagicCookieKey,
			MagicCookieValue: handshake.MagicCookieValue,
		},
		Plugins:          goplugin.PluginSet{"provider": kind{}},
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
			raw, err := protocol.Dispense("provider")
			if err == nil {
				plugin = raw.(*provider)
			}
			return err
		}},
		{"configure", configure}, {"names", names}, {"descriptor", descriptor}, {"unknown provider", unknown},
		{"execute", execute}, {"failure", failure}, {"secret", secret}, {"stream", stream}, {"no stream", noStream},
		{"what if", whatIf}, {"dependencies", dependencies}, {"stop", stop},
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

func configure() error {
	r, err := plugin.ConfigureProvider(within(), &proto.ConfigureProviderRequest{
		ProviderName: "echo", HostServiceId: plugin.host, ProtocolVersion: 2,
		Settings: map[string][]byte{"region": []byte(`"eu"`)},
	})
	return expect(r.GetError() == "" && r.GetProtocolVersion() == 2, err, r)
}

func names() error {
	r, err := plugin.GetProviders(within(), &proto.GetProvidersRequest{})
	return expect(strings.Join(r.GetProviderNames(), " ") == "echo stream", err, r)
}

func descriptor() error {
	r, err := plugin.GetProviderDescriptor(within(), &proto.GetProviderDescriptorRequest{ProviderName: "echo"})
	var schema map[string]any
	if err == nil {
		err = json.Unmarshal(r.Descriptor_.RawSchema, &schema)
	}
	return expect(schema["type"] == "object" && r.GetDescriptor_().GetVersion() == "1.0.0", err, r)
}

func unknown() error {
	_, err := plugin.GetProviderDescriptor(within(), &proto.GetProviderDescriptorRequest{ProviderName: "nope"})
	return expect(status.Code(err) == codes.Unknown && strings.Contains(err.Error(), "unknown provider: nope"), nil, err)
}

func run(in string) (*proto.ExecuteProviderResponse, string, error) {
	r, err := plugin.ExecuteProvider(within(), &proto.ExecuteProviderRequest{ProviderName: "echo", Input: []byte(in), Context: []byte("{}")})
	return r, string(r.GetOutput()), err
}

func execute() error {
	r, out, err := run(`{"message": "ü"}`)
	return expect(r.GetError() == "" && strings.Contains(out, "eu") && strings.Contains(out, `"warnings"`), err, r)
}

func failure() error {
	r, _, err := run(`{"fail": "the key is disabled"}`)
	return expect(r.GetError() == "the key is disabled" && r.Diagnostics[0].Severity == proto.Diagnostic_ERROR, err, r)
}

func secret() error {
	r, out, err := run(`{"secret": "own/a"}`)
	if err := expect(strings.Contains(out, "42"), err, r); err != nil {
		return err
	}
	r, _, err = run(`{"secret": "other"}`)
	return expect(strings.HasPrefix(r.GetError(), "host GetSecret: access denied"), err, r)
}

func stream() error {
	s, err := plugin.ExecuteProviderStream(within(), &proto.ExecuteProviderRequest{ProviderName: "stream", Input: []byte("{}")})
	if err != nil {
		return err
	}
	var out strings.Builder
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("no result")
		}
		if err != nil {
			return err
		}
		out.Write(chunk.GetStdout())
		if result := chunk.GetResult(); result != nil {
			return expect(strings.Count(out.String(), "line ") == 200 && strings.Contains(string(result.Output), "streamed"), nil, result)
		}
	}
}

func noStream() error {
	s, err := plugin.ExecuteProviderStream(within(), &proto.ExecuteProviderRequest{ProviderName: "echo", Input: []byte("{}")})
	if err == nil {
		_, err = s.Recv()
	}
	return expect(status.Code(err) == codes.Unimplemented, nil, err)
}

func whatIf() error {
	r, err := plugin.DescribeWhatIf(within(), &proto.DescribeWhatIfRequest{ProviderName: "echo", Input: []byte("{}")})
	return expect(r.GetDescription() == "would echo", err, r)
}

func dependencies() error {
	r, err := plugin.ExtractDependencies(within(), &proto.ExtractDependenciesRequest{ProviderName: "stream", Inputs: []byte(`{"b": 1, "a": 2}`)})
	return expect(strings.Join(r.GetDependencies(), " ") == "a b", err, r)
}

func stop() error {
	r, err := plugin.StopProvider(within(), &proto.StopProviderRequest{ProviderName: "echo"})
	return expect(r.GetError() == "", err, r)
}
