// What the judges that are asked in lines of JSON share: an answer, the way from line to line, and kubeadm's way with arguments.
// Copied into each of them when it is built.

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"strings"
)

type problem struct {
	Stage   string `json:"stage"`
	Message string `json:"message"`
}

type answer struct {
	ID     string    `json:"id"`
	Errors []problem `json:"errors"`
}

func (a *answer) add(stage string, err error) {
	if err != nil {
		a.Errors = append(a.Errors, problem{stage, err.Error()})
	}
}

// answerLines gives each line of standard input to a judge, and writes its answers, a line each.
func answerLines[T any](answers io.Writer, judge func(asked T) (answer, error)) error {
	encoder := json.NewEncoder(answers)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64*1024*1024)
	for lines.Scan() {
		var asked T
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		verdict, err := judge(asked)
		if err != nil {
			return err
		}
		if err := encoder.Encode(verdict); err != nil {
			return err
		}
	}
	return lines.Err()
}

// without leaves out what the arguments give another value, as kubeadm does.
func without(below, args []string) (out []string) {
	given := map[string]bool{}
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		given[name] = true
	}
	for _, arg := range below {
		if name, _, _ := strings.Cut(arg, "="); !given[name] {
			out = append(out, arg)
		}
	}
	return out
}
