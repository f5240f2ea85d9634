// A host that drives any plugin of the test service with go-plugin, and prints a line of JSON for each check.
//
//	host [-mtls] [-mux] [-only NAME] COMMAND...
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"machineadm.dev/tests/peers/go-plugin/peer"
	"machineadm.dev/tests/peers/go-plugin/probe"
)

type buffer struct {
	mutex sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.Buffer.Write(p)
}
func (b *buffer) text() string { b.mutex.Lock(); defer b.mutex.Unlock(); return b.Buffer.String() }

var (
	stdout, stderr, logs buffer
	client               *goplugin.Client
	plugin               *peer.Client
	pid                  int
)

func main() {
	mtls := flag.Bool("mtls", false, "AutoMTLS")
	mux := flag.Bool("mux", false, "multiplex the broker")
	flag.Parse()
	client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:     peer.Handshake,
		VersionedPlugins:    map[int]goplugin.PluginSet{1: {"probe": &peer.Plugin{}}},
		Cmd:                 exec.Command(flag.Arg(0), flag.Args()[1:]...),
		AllowedProtocols:    []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:            *mtls,
		GRPCBrokerMultiplex: *mux,
		SyncStdout:          &stdout,
		SyncStderr:          &stderr,
		Logger:              hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &logs, JSONFormat: true}),
	})
	defer client.Kill()
	failed := false
	for _, one := range checks {
		err := one.run()
		answer := map[string]any{"check": one.name, "ok": err == nil}
		if err != nil {
			failed = true
			answer["error"] = err.Error()
		}
		line, _ := json.Marshal(answer)
		fmt.Println(string(line))
		if one.name == "start" && err != nil {
			fmt.Fprintln(os.Stderr, logs.text())
			os.Exit(1)
		}
	}
	if failed {
		fmt.Fprintln(os.Stderr, logs.text())
		client.Kill()
		os.Exit(1)
	}
}

var checks = []struct {
	name string
	run  func() error
}{
	{"start", start}, {"ping", ping}, {"reflection", reflected}, {"sizes", sizes}, {"error status", errorStatus}, {"unknown method", unknown},
	{"server stream", serverStream}, {"client stream", clientStream}, {"bidirectional stream", chat},
	{"large answer", largeAnswer}, {"deadline", deadline}, {"cancel", cancel}, {"64 at once", many},
	{"call back", callBack}, {"offer", offer}, {"nobody serves the id", nobody}, {"stdio", stdio},
	{"2000 log records", records}, {"levels", levels}, {"interrupt", interrupt}, {"graceful end", end},
}

func within(t time.Duration) context.Context {
	ctx, _ := context.WithTimeout(context.Background(), t)
	return ctx
}

func until(what string, done func() bool) error {
	for range 500 {
		if done() {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("did not come: " + what)
}

func start() error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense("probe")
	if err != nil {
		return err
	}
	plugin = raw.(*peer.Client)
	pid = client.ReattachConfig().Pid
	return nil
}

func ping() error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	return protocol.Ping()
}

func sizes() error {
	for _, size := range []int{0, 1, 100, 16383, 16384, 65535, 65536, 1 << 20, 5 << 20, 32 << 20} {
		data := bytes.Repeat([]byte{byte(size % 251)}, size)
		back, err := plugin.Echo(within(60*time.Second), &probe.Message{Data: data},
			grpc.MaxCallRecvMsgSize(peer.Limit), grpc.MaxCallSendMsgSize(peer.Limit))
		if err != nil {
			return fmt.Errorf("%d: %w", size, err)
		}
		if !bytes.Equal(back.Data, data) {
			return fmt.Errorf("%d: not what was sent", size)
		}
	}
	return nil
}

func errorStatus() error {
	for _, code := range []codes.Code{codes.NotFound, codes.Internal, codes.Unknown, codes.PermissionDenied} {
		_, err := plugin.Echo(within(5*time.Second), &probe.Message{Status: uint32(code), Text: "ünfit 100%\nline"})
		if status.Code(err) != code || status.Convert(err).Message() != "ünfit 100%\nline" {
			return fmt.Errorf("%v gives %v", code, err)
		}
	}
	return nil
}

func unknown() error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	err = protocol.(*goplugin.GRPCClient).Conn.Invoke(within(5*time.Second), "/machineadm.test.Probe/Nothing", &probe.Message{}, &probe.Message{})
	if status.Code(err) != codes.Unimplemented {
		return fmt.Errorf("not Unimplemented: %v", err)
	}
	return nil
}

func serverStream() error {
	for _, n := range []uint32{0, 1, 1000} {
		stream, err := plugin.Count(within(30*time.Second), &probe.CountRequest{Messages: n, Size: 1000})
		if err != nil {
			return err
		}
		got := uint32(0)
		for {
			if _, err := stream.Recv(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
			got++
		}
		if got != n {
			return fmt.Errorf("%d of %d", got, n)
		}
	}
	return nil
}

func clientStream() error {
	stream, err := plugin.Sum(within(30 * time.Second))
	if err != nil {
		return err
	}
	for range 1000 {
		if err := stream.Send(&probe.Message{Data: make([]byte, 1000)}); err != nil {
			return err
		}
	}
	total, err := stream.CloseAndRecv()
	if err != nil || total.Messages != 1000 || total.Bytes != 1000000 {
		return fmt.Errorf("%v, %v", total, err)
	}
	return nil
}

func chat() error {
	stream, err := plugin.Chat(within(30 * time.Second))
	if err != nil {
		return err
	}
	for n := range 100 {
		if err := stream.Send(&probe.Message{Status: uint32(n)}); err != nil {
			return err
		}
		back, err := stream.Recv()
		if err != nil || back.Status != uint32(n) {
			return fmt.Errorf("%d: %v, %v", n, back, err)
		}
	}
	stream.CloseSend()
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("no end: %v", err)
	}
	return nil
}

func largeAnswer() error {
	stream, err := plugin.Count(within(60*time.Second), &probe.CountRequest{Messages: 4, Size: 16 << 20})
	if err != nil {
		return err
	}
	for n := range 4 {
		m, err := stream.Recv()
		if err != nil || len(m.Data) != 16<<20 {
			return fmt.Errorf("%d: %v", n, err)
		}
	}
	return nil
}

func deadline() error {
	began := time.Now()
	_, err := plugin.Echo(within(300*time.Millisecond), &probe.Message{DelayMilliseconds: 20000})
	if status.Code(err) != codes.DeadlineExceeded || time.Since(began) > 3*time.Second {
		return fmt.Errorf("after %v: %v", time.Since(began), err)
	}
	return nil
}

func cancel() error {
	before, err := plugin.Waiting(within(5*time.Second), &probe.Message{})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, stop)
	if _, err := plugin.Echo(ctx, &probe.Message{DelayMilliseconds: 20000}); status.Code(err) != codes.Canceled {
		return fmt.Errorf("not cancelled: %v", err)
	}
	return until("the plugin's notice", func() bool {
		now, err := plugin.Waiting(within(5*time.Second), &probe.Message{})
		return err == nil && now.Bytes > before.Bytes
	})
}

func many() error {
	errs := make(chan error, 64)
	began := time.Now()
	for n := range 64 {
		go func() {
			back, err := plugin.Echo(within(20*time.Second), &probe.Message{DelayMilliseconds: 500, Text: fmt.Sprint(n)})
			if err == nil && back.Text != fmt.Sprint(n) {
				err = fmt.Errorf("%d got %q", n, back.Text)
			}
			errs <- err
		}()
	}
	for range 64 {
		if err := <-errs; err != nil {
			return err
		}
	}
	if time.Since(began) > 8*time.Second {
		return fmt.Errorf("one after the other: %v", time.Since(began))
	}
	return nil
}

func callBack() error {
	for n := range 3 {
		id := plugin.Broker.NextId()
		go plugin.Broker.AcceptAndServe(id, peer.Serve(hclog.NewNullLogger()))
		text := fmt.Sprintf("back %d", n)
		back, err := plugin.CallBack(within(20*time.Second), &probe.CallBackRequest{BrokerId: id, Message: &probe.Message{Text: text}})
		if err != nil || back.Text != text {
			return fmt.Errorf("%v, %v", back, err)
		}
	}
	return nil
}

func offer() error {
	for range 3 {
		offered, err := plugin.Offer(within(5*time.Second), &probe.Message{})
		if err != nil {
			return err
		}
		conn, err := plugin.Broker.Dial(offered.BrokerId)
		if err != nil {
			return err
		}
		back, err := probe.NewProbeClient(conn).Echo(within(10*time.Second), &probe.Message{Data: make([]byte, 1<<20), Text: "there"})
		if err != nil || back.Text != "there" {
			return fmt.Errorf("%v, %v", back, err)
		}
		conn.Close()
	}
	return nil
}

func nobody() error {
	began := time.Now()
	_, err := plugin.CallBack(within(30*time.Second), &probe.CallBackRequest{BrokerId: 4711, Message: &probe.Message{}})
	if err == nil || !strings.Contains(err.Error(), "timeout waiting for connection info") && !strings.Contains(err.Error(), "timeout") {
		return fmt.Errorf("no timeout: %v", err)
	}
	if waited := time.Since(began); waited < 4*time.Second || waited > 10*time.Second {
		return fmt.Errorf("after %v", waited)
	}
	return nil
}

func stdio() error {
	out, err := strings.Repeat("to stdout, long; ", 2000)+"END-OUT\n", strings.Repeat("to stderr; ", 500)+"END-ERR\n"
	if _, fault := plugin.Print(within(10*time.Second), &probe.PrintRequest{Stdout: out, Stderr: err}); fault != nil {
		return fault
	}
	return until("all output", func() bool {
		return strings.Contains(stdout.text(), out) && strings.Contains(stderr.text(), err)
	})
}

func found(message string) []map[string]any {
	var all []map[string]any
	for line := range strings.SplitSeq(logs.text(), "\n") {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["@message"] == message {
			all = append(all, record)
		}
	}
	return all
}

func records() error {
	if _, err := plugin.Log(within(20*time.Second), &probe.LogRequest{Records: 2000, Level: "info", Text: "many records"}); err != nil {
		return err
	}
	if err := until("2000 records", func() bool { return strings.Count(logs.text(), "many records") >= 2000 }); err != nil {
		return err
	}
	all := found("many records")
	for n, record := range all {
		if record["n"] != float64(n) {
			return fmt.Errorf("record %d is %v", n, record)
		}
	}
	if len(all) != 2000 {
		return fmt.Errorf("%d records", len(all))
	}
	return nil
}

func levels() error {
	for _, level := range []string{"trace", "debug", "info", "warn", "error"} {
		if _, err := plugin.Log(within(5*time.Second), &probe.LogRequest{Records: 1, Level: level, Text: "level " + level}); err != nil {
			return err
		}
		if err := until(level, func() bool { return len(found("level "+level)) == 1 }); err != nil {
			return err
		}
		if got := found("level " + level)[0]["@level"]; got != level {
			return fmt.Errorf("%s came as %v", level, got)
		}
	}
	return nil
}

func interrupt() error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	if err := process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	back, err := plugin.Echo(within(5*time.Second), &probe.Message{Text: "alive"})
	if err != nil || back.Text != "alive" {
		return fmt.Errorf("a plugin ignores SIGINT: %v, %v", back, err)
	}
	return nil
}

func end() error {
	client.Kill()
	if !client.Exited() {
		return errors.New("it lives")
	}
	// go-plugin's own word for it, and not a clock: a busy machine takes the two seconds that it grants.
	if strings.Contains(logs.text(), "plugin failed to exit gracefully") {
		return errors.New("it was killed")
	}
	return nil
}
