// Command etcdflags judges arguments of etcd as etcd itself does before it listens.
//
// Standard input has a case a line, as JSON: {"id", "args"}; its answer is a line, too: {"id", "errors": [{"stage", "message"}]}.
// etcd ends the process where it cannot parse, so each case is a process of its own: `etcdflags ARG...`.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"unsafe"

	"go.etcd.io/etcd/api/v3/version"
	_ "go.etcd.io/etcd/server/v3/etcdmain"
)

//go:linkname newConfig go.etcd.io/etcd/server/v3/etcdmain.newConfig
func newConfig() unsafe.Pointer

//go:linkname parse go.etcd.io/etcd/server/v3/etcdmain.(*config).parse
func parse(config unsafe.Pointer, arguments []string) error

// below is what kubeadm gives etcd.
func below() []string {
	found := []string{
		"--advertise-client-urls=https://10.0.0.1:2379", "--data-dir=/var/lib/etcd", "--initial-advertise-peer-urls=https://10.0.0.1:2380",
		"--initial-cluster=n1=https://10.0.0.1:2380", "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379",
		"--listen-metrics-urls=http://127.0.0.1:2381", "--listen-peer-urls=https://10.0.0.1:2380", "--name=n1", "--snapshot-count=10000",
	}
	if strings.HasPrefix(version.Version, "3.5.") {
		return append(found, "--experimental-initial-corrupt-check=true", "--experimental-watch-progress-notify-interval=5s")
	}
	return append(found, "--feature-gates=InitialCorruptCheck=true", "--watch-progress-notify-interval=5s")
}

type request struct {
	ID   string   `json:"id"`
	Args []string `json:"args"`
}

func main() {
	if len(os.Args) > 1 {
		if err := parse(newConfig(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "etcdflags:", err)
		os.Exit(2)
	}
}

func run() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "etcdflags-") // for whatever an argument lets it write
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	return answerLines(os.Stdout, func(asked request) (answer, error) {
		verdict := answer{ID: asked.ID, Errors: []problem{}}
		var said bytes.Buffer
		one := exec.Command(self, append(without(below(), asked.Args), asked.Args...)...)
		one.Dir, one.Stdout, one.Stderr = scratch, &said, &said
		if err := one.Run(); err != nil {
			verdict.add("etcd", errors.New(reason(said.String())))
		}
		return verdict, nil
	})
}

// reason is the line before the usage, or the last one.
func reason(text string) string {
	text, _, _ = strings.Cut(text, "\nUsage:")
	all := strings.Split(strings.TrimSpace(text), "\n")
	return all[len(all)-1]
}
