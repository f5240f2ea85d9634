// Command openapi prints definitions of Kubernetes' own types as one document of OpenAPI 3.0.
//
//	openapi NAME...
//
// A name is a Go type, such as k8s.io/kubelet/config/v1beta1.KubeletConfiguration; what it refers to comes along. They are
// those that the API server is built with, which has some for types that it does not serve. What these refer to and it has no
// definition of is any object.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/generated/openapi"
)

func main() {
	all := openapi.GetOpenAPIDefinitions(func(name string) spec.Ref {
		return spec.MustCreateRef("#/components/schemas/" + short(name))
	})
	schemas, todo := map[string]spec.Schema{}, os.Args[1:]
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if _, done := schemas[short(name)]; done {
			continue
		}
		definition, found := all[name]
		if !found && slices.Contains(os.Args[1:], name) {
			fmt.Fprintf(os.Stderr, "openapi: there is no %s\n", name)
			os.Exit(1)
		}
		if !found {
			schemas[short(name)] = *spec.MapProperty(nil)
			continue
		}
		schemas[short(name)] = plain(definition)
		todo = append(todo, definition.Dependencies...)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(map[string]any{"components": map[string]any{"schemas": schemas}}); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func short(name string) string { return path.Ext(name)[1:] }

// plain is a definition as OpenAPI 3.0 has it, where one of a type of its own is better.
func plain(definition common.OpenAPIDefinition) spec.Schema {
	if v2, found := definition.Schema.Extensions[common.ExtensionV2Schema]; found {
		return v2.(spec.Schema)
	}
	return definition.Schema
}
