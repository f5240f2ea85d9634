// Package peer is the test service on go-plugin: served by the plugin, called by the host, in both directions of the broker.
package peer

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"machineadm.dev/tests/peers/go-plugin/probe"
)

// Handshake is what the host and the plugin of the tests agree on; Python's side has the same.
var Handshake = goplugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "MACHINEADM_TEST_PLUGIN",
	MagicCookieValue: "probe",
}

// Limit of a message; go-plugin's own server takes 4 MiB.
const Limit = 64 << 20

// Plugin gives go-plugin both ends of the service.
type Plugin struct {
	goplugin.NetRPCUnsupportedPlugin
	Logger hclog.Logger
}

// GRPCServer registers the service.
func (p *Plugin) GRPCServer(broker *goplugin.GRPCBroker, server *grpc.Server) error {
	probe.RegisterProbeServer(server, &Server{Broker: broker, Logger: p.Logger})
	return nil
}

// Client is the host's end, with the broker.
type Client struct {
	probe.ProbeClient
	Broker *goplugin.GRPCBroker
}

// GRPCClient makes the host's end.
func (p *Plugin) GRPCClient(_ context.Context, broker *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &Client{probe.NewProbeClient(conn), broker}, nil
}

// Server is the service.
type Server struct {
	probe.UnimplementedProbeServer
	Broker             *goplugin.GRPCBroker
	Logger             hclog.Logger
	waiting, cancelled atomic.Int64
}

// Echo gives back what it got, later or as an error if it is told to.
func (s *Server) Echo(ctx context.Context, m *probe.Message) (*probe.Message, error) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	if m.Status != 0 {
		return nil, status.Error(codes.Code(m.Status), m.Text)
	}
	if m.DelayMilliseconds != 0 {
		select {
		case <-ctx.Done():
			s.cancelled.Add(1)
			return nil, ctx.Err()
		case <-time.After(time.Duration(m.DelayMilliseconds) * time.Millisecond):
		}
	}
	return m, nil
}

// Count streams messages.
func (s *Server) Count(r *probe.CountRequest, stream grpc.ServerStreamingServer[probe.Message]) error {
	for range r.Messages {
		if err := stream.Send(&probe.Message{Data: make([]byte, r.Size)}); err != nil {
			s.cancelled.Add(1)
			return err
		}
	}
	return nil
}

// Sum adds up a stream.
func (s *Server) Sum(stream grpc.ClientStreamingServer[probe.Message, probe.Total]) error {
	total := &probe.Total{}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(total)
		}
		if err != nil {
			return err
		}
		total.Messages++
		total.Bytes += uint64(len(m.Data))
	}
}

// Chat echoes a stream.
func (s *Server) Chat(stream grpc.BidiStreamingServer[probe.Message, probe.Message]) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(m); err != nil {
			return err
		}
	}
}

// CallBack calls the other side through the broker.
func (s *Server) CallBack(ctx context.Context, r *probe.CallBackRequest) (*probe.Message, error) {
	conn, err := s.Broker.Dial(r.BrokerId)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return probe.NewProbeClient(conn).Echo(ctx, r.Message)
}

// Offer serves another probe through the broker.
func (s *Server) Offer(context.Context, *probe.Message) (*probe.Offered, error) {
	id := s.Broker.NextId()
	go s.Broker.AcceptAndServe(id, Serve(s.Logger))
	return &probe.Offered{BrokerId: id}, nil
}

// Serve makes a server for the broker.
func Serve(log hclog.Logger) func([]grpc.ServerOption) *grpc.Server {
	return func(options []grpc.ServerOption) *grpc.Server {
		server := Grpc(options)
		probe.RegisterProbeServer(server, &Server{Logger: log})
		return server
	}
}

// Grpc makes a server that takes large messages.
func Grpc(options []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(Limit), grpc.MaxSendMsgSize(Limit))...)
}

// Print writes to standard output and error.
func (s *Server) Print(_ context.Context, r *probe.PrintRequest) (*probe.Message, error) {
	os.Stdout.WriteString(r.Stdout)
	os.Stderr.WriteString(r.Stderr)
	return &probe.Message{}, nil
}

// Log writes records.
func (s *Server) Log(_ context.Context, r *probe.LogRequest) (*probe.Message, error) {
	for n := range r.Records {
		s.Logger.Log(hclog.LevelFromString(r.Level), r.Text, "n", n)
	}
	return &probe.Message{}, nil
}

// Waiting tells how many calls wait.
func (s *Server) Waiting(context.Context, *probe.Message) (*probe.Total, error) {
	return &probe.Total{Messages: uint64(s.waiting.Load()), Bytes: uint64(s.cancelled.Load())}, nil
}

// Die ends the process.
func (s *Server) Die(_ context.Context, t *probe.Total) (*probe.Message, error) {
	os.Exit(int(t.Messages))
	return nil, nil
}

// Environment tells what there is.
func (s *Server) Environment(context.Context, *probe.Message) (*probe.EnvironmentResponse, error) {
	return &probe.EnvironmentResponse{Entries: os.Environ()}, nil
}
