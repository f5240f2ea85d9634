package main

import (
	"encoding/json"
	"os"
	"sort"
	"strings"

	"github.com/google/cel-go/common/types"
)

type function struct {
	Name      string     `json:"name"`
	Overloads []overload `json:"overloads"`
}

type overload struct {
	ID     string   `json:"id"`
	Member bool     `json:"member"`
	Args   []string `json:"args"`
	Result string   `json:"result"`
}

// declarations prints all functions that a new expression may call.
func declarations() error {
	out := []function{}
	for name, decl := range environments.NewExpressionsEnv().Functions() {
		if decl.IsDeclarationDisabled() {
			continue
		}
		f := function{Name: name}
		for _, o := range decl.OverloadDecls() {
			args := []string{}
			for _, a := range o.ArgTypes() {
				args = append(args, typeText(a))
			}
			f.Overloads = append(f.Overloads, overload{ID: o.ID(), Member: o.IsMemberFunction(), Args: args, Result: typeText(o.ResultType())})
		}
		out = append(out, f)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return json.NewEncoder(os.Stdout).Encode(out)
}

// typeText writes a type so that its kind can be told: <A> is a parameter, @name a struct, #name opaque.
func typeText(t *types.Type) string {
	name := t.DeclaredTypeName()
	switch t.Kind() {
	case types.TypeParamKind:
		return "<" + name + ">"
	case types.StructKind:
		name = "@" + name
	case types.OpaqueKind:
		name = "#" + name
	}
	if len(t.Parameters()) == 0 {
		return name
	}
	parameters := []string{}
	for _, p := range t.Parameters() {
		parameters = append(parameters, typeText(p))
	}
	return name + "(" + strings.Join(parameters, ", ") + ")"
}
