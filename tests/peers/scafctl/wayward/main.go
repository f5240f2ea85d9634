// A plugin on scafctl's SDK that asks its host for everything, streams, and fails in every way that is documented.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/Masterminds/semver/v3"
	"github.com/oakwood-commons/scafctl-plugin-sdk/plugin"
	"github.com/oakwood-commons/scafctl-plugin-sdk/provider"
)

type wayward struct {
	settings map[string]json.RawMessage
}

func (w *wayward) GetProviders(context.Context) ([]string, error) { return []string{"wayward"}, nil }

func (w *wayward) GetProviderDescriptor(_ context.Context, name string) (*provider.Descriptor, error) {
	if name != "wayward" {
		return nil, fmt.Errorf("unknown provider: %s", name)
	}
	return &provider.Descriptor{Name: name, APIVersion: "v1", Version: semver.MustParse("1.2.3"), Description: "asks its host"}, nil
}

func (w *wayward) ConfigureProvider(_ context.Context, _ string, cfg plugin.ProviderConfig) error {
	if _, bad := cfg.Settings["refuse"]; bad {
		return errors.New("unfit settings")
	}
	w.settings = cfg.Settings
	return nil
}

// answers of the host, as text
func (w *wayward) ask(ctx context.Context, in map[string]any) (any, error) {
	host := plugin.HostClientFromContext(ctx)
	if host == nil {
		return nil, errors.New("no host service")
	}
	name, _ := in["name"].(string)
	value, _ := in["value"].(string)
	switch in["ask"] {
	case "get":
		value, found, err := host.GetSecret(ctx, name)
		return map[string]any{"value": value, "found": found}, err
	case "set":
		return nil, host.SetSecret(ctx, name, value)
	case "delete":
		return nil, host.DeleteSecret(ctx, name)
	case "list":
		return host.ListSecrets(ctx, name)
	case "identity":
		claims, err := host.GetAuthIdentity(ctx, name, "scope")
		return claims.GetSubject(), err
	case "handlers":
		handlers, standard, err := host.ListAuthHandlers(ctx)
		return map[string]any{"handlers": handlers, "default": standard}, err
	case "token":
		token, err := host.GetAuthToken(ctx, name, "scope", 60, false)
		return token.GetAccessToken(), err
	case "groups":
		return host.GetAuthGroups(ctx, name)
	}
	return nil, fmt.Errorf("cannot ask for %v", in["ask"])
}

func (w *wayward) ExecuteProvider(ctx context.Context, _ string, in map[string]any) (*provider.Output, error) {
	if text, bad := in["fail"].(string); bad {
		return nil, errors.New(text)
	}
	if in["ask"] != nil {
		data, err := w.ask(ctx, in)
		return &provider.Output{Data: data}, err
	}
	return &provider.Output{
		Data:     map[string]any{"in": in, "settings": w.settings},
		Warnings: []string{"careful"},
		Metadata: map[string]any{"n": 1},
	}, nil
}

func (w *wayward) ExecuteProviderStream(_ context.Context, _ string, in map[string]any, cb func(plugin.StreamChunk)) error {
	if in["unary"] != nil {
		return plugin.ErrStreamingNotSupported
	}
	for n := range 100 {
		cb(plugin.StreamChunk{Stdout: fmt.Appendf(nil, "line %d\n", n)})
	}
	cb(plugin.StreamChunk{Stderr: []byte("a warning\n")})
	if text, bad := in["fail"].(string); bad {
		return errors.New(text)
	}
	cb(plugin.StreamChunk{Result: &provider.Output{Data: "streamed", Streamed: true}})
	return nil
}

func (w *wayward) DescribeWhatIf(_ context.Context, _ string, in map[string]any) (string, error) {
	if text, bad := in["fail"].(string); bad {
		return "", errors.New(text)
	}
	return "would ask", nil
}

func (w *wayward) ExtractDependencies(_ context.Context, _ string, in map[string]any) ([]string, error) {
	if text, bad := in["fail"].(string); bad {
		return nil, errors.New(text)
	}
	return []string{"a", "b"}, nil
}

func (w *wayward) StopProvider(context.Context, string) error { return nil }

func main() { plugin.Serve(&wayward{}) }
