// Fills in templates by Go's own text/template, with the functions that templates of user data have.
//
// Standard input: a line for each template, {"template": base64, "config": base64, "fetch": base64, "path": base64}.
// Standard output: a line for each, {"output": base64} or {"error": text}. gzip is a stand-in, for no two
// programs compress alike.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"
	"unicode/utf8"
)

type request struct{ Template, Config, Fetch, Path []byte }

type verdict struct {
	Output []byte `json:"output"`
	Error  string `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		answer, err := json.Marshal(judge(asked))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		out.Write(append(answer, '\n'))
	}
}

func judge(asked request) verdict {
	functions := template.FuncMap{
		"machine_config": func() string { return string(asked.Config) },
		"agent_fetch":    func() string { return string(asked.Fetch) },
		"agent_path":     func() string { return string(asked.Path) },
		"base64":         func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) },
		"gzip":           func(text string) string { return "gzip(" + text + ")" },
		"quote":          quote,
	}
	parsed, err := template.New("").Funcs(functions).Parse(string(asked.Template))
	if err != nil {
		return verdict{Error: err.Error()}
	}
	var output bytes.Buffer
	if err := parsed.Execute(&output, nil); err != nil {
		return verdict{Error: err.Error()}
	}
	return verdict{Output: output.Bytes()}
}

// quote writes a text as JSON and YAML both read it.
func quote(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", errors.New("the text is not UTF-8")
	}
	var quoted strings.Builder
	quoted.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			quoted.WriteRune('\\')
			quoted.WriteRune(r)
		case strings.ContainsRune("\b\t\n\f\r", r):
			quoted.WriteString(map[rune]string{'\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`}[r])
		case r < 0x20 || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u2028\u2029\ufeff\ufffe\uffff", r):
			fmt.Fprintf(&quoted, `\u%04x`, r)
		default:
			quoted.WriteRune(r)
		}
	}
	quoted.WriteByte('"')
	return quoted.String(), nil
}
