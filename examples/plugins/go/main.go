// An encryption provider that reads passphrases from files: DIRECTORY/PROVIDER, DIRECTORY as its settings say.
package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/machineadm-plugin-encryption-provider-file/pluginv1"
)

var log = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr, JSONFormat: true})

type files struct {
	pluginv1.UnimplementedPluginServer
	pluginv1.UnimplementedEncryptionProviderServer
	directory string
}

// Configure takes another directory. Protocol version 1, so the settings are JSON.
func (f *files) Configure(_ context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	settings := struct{ Directory string }{f.directory}
	if err := json.Unmarshal(r.Settings, &settings); err != nil {
		return &pluginv1.ConfigureResponse{Diagnostics: []*pluginv1.Diagnostic{{
			Severity: pluginv1.Diagnostic_ERROR, Summary: "unfit settings", Detail: err.Error(),
		}}}, nil
	}
	f.directory = settings.Directory
	return &pluginv1.ConfigureResponse{}, nil
}

// FetchPassphrase reads it; one newline at the end is not part of it.
func (f *files) FetchPassphrase(_ context.Context, r *pluginv1.FetchPassphraseRequest) (*pluginv1.FetchPassphraseResponse, error) {
	log.Info("asked for a passphrase", "provider", r.Provider)
	passphrase, err := os.ReadFile(filepath.Join(f.directory, filepath.Base(r.Provider)))
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &pluginv1.FetchPassphraseResponse{Passphrase: passphrase}, nil
}

type server struct {
	plugin.NetRPCUnsupportedPlugin
}

func (server) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	f := &files{directory: "/etc/machineadm/passphrases.d"}
	pluginv1.RegisterPluginServer(s, f)
	pluginv1.RegisterEncryptionProviderServer(s, f)
	return nil
}

func (server) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "MACHINEADM_PLUGIN",
			MagicCookieValue: "8d4a5a0e-52a7-4c5e-9f5d-2f0c3a6f4b71",
		},
		Plugins:    plugin.PluginSet{"encryption-provider": server{}},
		GRPCServer: plugin.DefaultGRPCServer,
		Logger:     log,
	})
}
