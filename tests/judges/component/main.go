// Command component judges configuration documents as the components that read them would.
//
//	component [FILE...]
//
// Every document of every file (standard input without files) is decoded by Kubernetes' own strict codecs and checked by the
// validation that the kubelet, kube-proxy and the API server run on it when they start. One JSON object a document goes to
// standard output: {"file", "index", "apiVersion", "kind", "ok", "errors"}. Exit 1: at least one is not ok; 2: no document at all.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/util/yaml"
)

type verdict struct {
	File       string   `json:"file"`
	Index      int      `json:"index"`
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	OK         bool     `json:"ok"`
	Errors     []string `json:"errors"`
}

func judgeDocument(file string, index int, document []byte) (v verdict) {
	v = verdict{File: file, Index: index, Errors: []string{}}
	defer func() { // defaulting panics on a feature gate that it does not know, in the kubelet as here
		if panicked := recover(); panicked != nil {
			v.OK, v.Errors = false, append(v.Errors, fmt.Sprint(panicked))
		}
	}()
	var meta struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(document, &meta); err != nil {
		v.Errors = append(v.Errors, err.Error())
		return v
	}
	v.APIVersion, v.Kind = meta.APIVersion, meta.Kind
	for _, err := range flatten(judge(meta.APIVersion, meta.Kind, document)) {
		v.Errors = append(v.Errors, err.Error())
	}
	v.OK = len(v.Errors) == 0
	return v
}

// flatten gives the single errors of an aggregate, so that each is told by itself.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var many interface{ Errors() []error }
	if !errors.As(err, &many) {
		return []error{err}
	}
	var out []error
	for _, e := range many.Errors() {
		out = append(out, flatten(e)...)
	}
	return out
}

func judgeStream(name string, stream io.Reader, report func(verdict)) error {
	documents := yaml.NewYAMLReader(bufio.NewReader(stream))
	for index := 0; ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var content any
		if yaml.Unmarshal(document, &content) == nil && content == nil {
			continue // comments or nothing between two separators
		}
		report(judgeDocument(name, index, document))
		index++
	}
}

func run(files []string) (int, error) {
	seen, refused := 0, 0
	encoder := json.NewEncoder(os.Stdout)
	report := func(v verdict) {
		seen++
		if !v.OK {
			refused++
		}
		_ = encoder.Encode(v)
	}
	if len(files) == 0 {
		if err := judgeStream("-", os.Stdin, report); err != nil {
			return 2, err
		}
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return 2, err
		}
		err = judgeStream(name, f, report)
		f.Close()
		if err != nil {
			return 2, err
		}
	}
	switch {
	case seen == 0:
		return 2, errors.New("no document to judge")
	case refused > 0:
		return 1, nil
	}
	return 0, nil
}

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "component:", err)
	}
	os.Exit(code)
}
