// Command crd judges CustomResourceDefinitions, and objects of them, with the API server's own code, without a server.
//
//	crd [FILE...]
//	crd --batch
//	crd --declarations
//
// Every document of every file (standard input without files) is read under strict field validation, defaulted, and validated
// as on creation. With --batch standard input holds one request a line, {"id", "crd": TEXT, "objects": [{"object", "old"}]},
// so that one process judges many; --declarations prints the functions that CEL rules may call. One verdict a CRD goes to standard output as a line of JSON. Exit 1: at least one CRD is
// refused (never with --batch); 2: no verdict at all.
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

type request struct {
	ID      string          `json:"id"`
	CRD     string          `json:"crd"`
	Objects []objectRequest `json:"objects"`
}

type objectRequest struct {
	Object map[string]any `json:"object"`
	Old    map[string]any `json:"old"` // the object before an update; none on creation
}

func judge(r request) (v verdict) {
	v = verdict{ID: r.ID, Errors: []problem{}, Costs: []cost{}}
	defer func() { // a panic here is one of the API server's request handlers
		if panicked := recover(); panicked != nil {
			v.OK, v.Errors = false, append(v.Errors, problem{Type: "Panic", Detail: fmt.Sprint(panicked)})
		}
	}()
	crd, errs := read([]byte(r.CRD))
	v.Errors = append(v.Errors, errs...)
	if crd == nil {
		return v
	}
	v.Name = crd.Name
	v.Errors = append(v.Errors, validate(crd)...)
	v.Warnings = warnings(crd)
	v.Costs = costs(crd)
	v.OK = len(v.Errors) == 0
	if v.OK {
		v.Columns = columns(crd)
		for _, o := range r.Objects {
			v.Objects = append(v.Objects, judgeObject(crd, o))
		}
	}
	return v
}

// batch answers each line of JSON with a line of JSON.
func batch(report func(verdict)) error {
	lines := json.NewDecoder(bufio.NewReader(os.Stdin))
	lines.UseNumber()
	for {
		var r request
		if err := lines.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		report(judge(r))
	}
}

func stream(name string, in io.Reader, report func(verdict)) error {
	documents := yaml.NewYAMLReader(bufio.NewReader(in))
	for index := 0; ; index++ {
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
		report(judge(request{ID: fmt.Sprintf("%s#%d", name, index), CRD: string(document)}))
	}
}

func files(names []string, report func(verdict)) error {
	if len(names) == 0 {
		return stream("-", os.Stdin, report)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = stream(name, f, report)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func run(arguments []string) (int, error) {
	seen, refused := 0, 0
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	report := func(v verdict) {
		seen++
		if !v.OK {
			refused++
		}
		_ = encoder.Encode(v)
	}
	batched := len(arguments) == 1 && arguments[0] == "--batch"
	var err error
	if batched {
		err = batch(report)
	} else {
		err = files(arguments, report)
	}
	switch {
	case err != nil:
		return 2, err
	case seen == 0:
		return 2, errors.New("no CustomResourceDefinition to judge")
	case refused > 0 && !batched:
		return 1, nil
	}
	return 0, nil
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--declarations" {
		if err := declarations(); err != nil {
			os.Exit(2)
		}
		return
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "crd:", err)
	}
	os.Exit(code)
}
