// A host on the types of scafctl's SDK that asks a provider plugin for all it can do, and prints a line of JSON for each check.
//
//	host COMMAND...
package main

import (
	"encoding/json"
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
	proto.PluginServiceClient
	host uint32
}

func secrets(r *proto.GetSecretRequest) *proto.GetSecretResponse {
	if r.Name != "own/a" {
		return &proto.GetSecretResponse{Error: "access denied: secret name outside allowed scope"}
	}
	return &proto.GetSecretResponse{Value: "42", Found: true}
}

func main() {
	handshake := sdk.HandshakeConfig()
	asking.Run("provider", goplugin.HandshakeConfig{
		ProtocolVersion:  handshake.ProtocolVersion,
		MagicCookieKey:   handshake.MagicCookieKey,
		MagicCookieValue: handshake.MagicCookieValue,
	}, secrets, func(conn *grpc.ClientConn, host uint32) {
		plugin.PluginServiceClient, plugin.host = proto.NewPluginServiceClient(conn), host
	}, []asking.Check{
		{"configure", configure}, {"names", names}, {"descriptor", descriptor}, {"unknown provider", unknown},
		{"execute", execute}, {"failure", failure}, {"secret", secret}, {"stream", stream}, {"no stream", noStream},
		{"what if", whatIf}, {"dependencies", dependencies}, {"stop", stop},
	})
}

func configure() error {
	r, err := plugin.ConfigureProvider(asking.Within(), &proto.ConfigureProviderRequest{
		ProviderName: "echo", HostServiceId: plugin.host, ProtocolVersion: 2,
		Settings: map[string][]byte{"region": []byte(`"eu"`)},
	})
	return asking.Expect(r.GetError() == "" && r.GetProtocolVersion() == 2, err, r)
}

func names() error {
	r, err := plugin.GetProviders(asking.Within(), &proto.GetProvidersRequest{})
	return asking.Expect(strings.Join(r.GetProviderNames(), " ") == "echo stream", err, r)
}

func descriptor() error {
	r, err := plugin.GetProviderDescriptor(asking.Within(), &proto.GetProviderDescriptorRequest{ProviderName: "echo"})
	var schema map[string]any
	if err == nil {
		err = json.Unmarshal(r.Descriptor_.RawSchema, &schema)
	}
	return asking.Expect(schema["type"] == "object" && r.GetDescriptor_().GetVersion() == "1.0.0", err, r)
}

func unknown() error {
	_, err := plugin.GetProviderDescriptor(asking.Within(), &proto.GetProviderDescriptorRequest{ProviderName: "nope"})
	return asking.Expect(status.Code(err) == codes.Unknown && strings.Contains(err.Error(), "unknown provider: nope"), nil, err)
}

func run(in string) (*proto.ExecuteProviderResponse, string, error) {
	r, err := plugin.ExecuteProvider(asking.Within(), &proto.ExecuteProviderRequest{ProviderName: "echo", Input: []byte(in), Context: []byte("{}")})
	return r, string(r.GetOutput()), err
}

func execute() error {
	r, out, err := run(`{"message": "ü"}`)
	return asking.Expect(r.GetError() == "" && strings.Contains(out, "eu") && strings.Contains(out, `"warnings"`), err, r)
}

func failure() error {
	r, _, err := run(`{"fail": "the key is disabled"}`)
	return asking.Expect(r.GetError() == "the key is disabled" && r.Diagnostics[0].Severity == proto.Diagnostic_ERROR, err, r)
}

func secret() error {
	r, out, err := run(`{"secret": "own/a"}`)
	if err := asking.Expect(strings.Contains(out, "42"), err, r); err != nil {
		return err
	}
	r, _, err = run(`{"secret": "other"}`)
	return asking.Expect(strings.HasPrefix(r.GetError(), "host GetSecret: access denied"), err, r)
}

func stream() error {
	s, err := plugin.ExecuteProviderStream(asking.Within(), &proto.ExecuteProviderRequest{ProviderName: "stream", Input: []byte("{}")})
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
			return asking.Expect(strings.Count(out.String(), "line ") == 200 && strings.Contains(string(result.Output), "streamed"), nil, result)
		}
	}
}

func noStream() error {
	s, err := plugin.ExecuteProviderStream(asking.Within(), &proto.ExecuteProviderRequest{ProviderName: "echo", Input: []byte("{}")})
	if err == nil {
		_, err = s.Recv()
	}
	return asking.Expect(status.Code(err) == codes.Unimplemented, nil, err)
}

func whatIf() error {
	r, err := plugin.DescribeWhatIf(asking.Within(), &proto.DescribeWhatIfRequest{ProviderName: "echo", Input: []byte("{}")})
	return asking.Expect(r.GetDescription() == "would echo", err, r)
}

func dependencies() error {
	r, err := plugin.ExtractDependencies(asking.Within(), &proto.ExtractDependenciesRequest{ProviderName: "stream", Inputs: []byte(`{"b": 1, "a": 2}`)})
	return asking.Expect(strings.Join(r.GetDependencies(), " ") == "a b", err, r)
}

func stop() error {
	r, err := plugin.StopProvider(asking.Within(), &proto.StopProviderRequest{ProviderName: "echo"})
	return asking.Expect(r.GetError() == "", err, r)
}
