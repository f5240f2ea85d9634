// Command verdict judges cases as the programs of one minor version of Kubernetes do.
//
// Standard input has a case a line, as JSON, and its answer is a line, too: {"id", "errors": [{"stage", "message"}]}.
// What a case asks is in `judge`:
//
//	kubeadm   {"config"}                      what `kubeadm init` reads, judged by kubeadm alone
//	document  {"text"}                        a document that a component reads
//	machine   {"config", "files", "patches"}  what `kubeadm init` reads, the API server's files by path, kubeadm's patches by file name
//	flags     {"program", "args"}             the arguments of a program
package main

import (
	"fmt"
	"os"

	configutil "k8s.io/kubernetes/cmd/kubeadm/app/util/config"
)

type request struct {
	ID      string            `json:"id"`
	Judge   string            `json:"judge"`
	Text    string            `json:"text"`
	Config  string            `json:"config"`
	Files   map[string]string `json:"files"`
	Patches map[string]string `json:"patches"`
	Program string            `json:"program"`
	Args    []string          `json:"args"`
}

// judges by name; a program that is built with the tag kubeadm_only has no other than the first.
var judges = map[string]func(request, *answer){"kubeadm": judgeKubeadm}

func judge(asked request) (verdict answer, err error) {
	ask, known := judges[asked.Judge]
	if !known {
		return verdict, fmt.Errorf("no judge %q", asked.Judge)
	}
	verdict = answer{ID: asked.ID, Errors: []problem{}}
	defer func() { // Kubernetes panics here and there, on a feature gate that it does not know for one
		if panicked := recover(); panicked != nil {
			verdict.add(asked.Judge, fmt.Errorf("panic: %v", panicked))
		}
	}()
	ask(asked, &verdict)
	return verdict, nil
}

func judgeKubeadm(asked request, verdict *answer) {
	_, err := configutil.BytesToInitConfiguration([]byte(asked.Config), true)
	verdict.add("kubeadm", err)
}

func main() {
	// kubeadm prints where it writes.
	answers := os.Stdout
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stdout = null
	}
	if err := answerLines(answers, judge); err != nil {
		fmt.Fprintln(os.Stderr, "verdict:", err)
		os.Exit(2)
	}
}
