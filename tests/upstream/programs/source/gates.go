package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"os"
	"strconv"
	"strings"
)

type gateFact struct {
	Default bool   `json:"default"`
	Locked  bool   `json:"locked,omitempty"`
	Stage   string `json:"stage"` // "" is GA
	// Needs are the gates without which this one must not be on.
	Needs []string `json:"needs,omitempty"`
}

var stages = map[string]string{"Alpha": "ALPHA", "Beta": "BETA", "GA": "", "Deprecated": "DEPRECATED", "PreAlpha": "PREALPHA"}

// gates finds every map from features to their specifications, and prints each feature as it is in a minor version.
func gates(r reader, minor int, packages []string) error {
	found := map[string]gateFact{}
	needs := map[string][]string{}
	for _, path := range packages {
		in, err := r.load(path)
		if err == errAbsent { // some came later
			continue
		} else if err != nil {
			return err
		}
		for _, file := range in.all {
			var failed error
			ast.Inspect(file, func(node ast.Node) bool {
				literal, ok := node.(*ast.CompositeLit)
				if ok && isDependencies(literal.Type) {
					failed = r.dependencies(literal, path, file, needs)
					return false
				}
				if !ok || !isGates(literal.Type) {
					return true
				}
				for _, element := range literal.Elts {
					entry := element.(*ast.KeyValueExpr)
					name, err := r.constant(entry.Key, path, file)
					if err != nil {
						failed = err
						return false
					}
					if fact, is := specification(entry.Value.(*ast.CompositeLit), minor); is {
						found[name] = fact
					}
				}
				return false
			})
			if failed != nil {
				return failed
			}
		}
	}
	for name, others := range needs {
		if fact, is := found[name]; is && len(others) > 0 {
			fact.Needs = others
			found[name] = fact
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	return encoder.Encode(found)
}

// isGates is true of map[featuregate.Feature]featuregate.FeatureSpec, of VersionedSpecs, and of kubeadm's FeatureList.
func isGates(expression ast.Expr) bool {
	if named, ok := expression.(*ast.Ident); ok {
		return named.Name == "FeatureList"
	}
	map_, ok := expression.(*ast.MapType)
	return ok && last(map_.Key) == "Feature" && (last(map_.Value) == "FeatureSpec" || last(map_.Value) == "VersionedSpecs")
}

// isDependencies is true of map[featuregate.Feature][]featuregate.Feature, which Kubernetes has from 1.35 on.
func isDependencies(expression ast.Expr) bool {
	map_, ok := expression.(*ast.MapType)
	if !ok || last(map_.Key) != "Feature" {
		return false
	}
	list, ok := map_.Value.(*ast.ArrayType)
	return ok && last(list.Elt) == "Feature"
}

func (r *reader) dependencies(literal *ast.CompositeLit, path string, file *ast.File, needs map[string][]string) error {
	for _, element := range literal.Elts {
		entry := element.(*ast.KeyValueExpr)
		name, err := r.constant(entry.Key, path, file)
		if err != nil {
			return err
		}
		for _, other := range entry.Value.(*ast.CompositeLit).Elts {
			needed, err := r.constant(other, path, file)
			if err != nil {
				return err
			}
			needs[name] = append(needs[name], needed)
		}
	}
	return nil
}

func last(expression ast.Expr) string {
	switch one := expression.(type) {
	case *ast.Ident:
		return one.Name
	case *ast.SelectorExpr:
		return one.Sel.Name
	}
	return ""
}

func (r *reader) constant(expression ast.Expr, path string, file *ast.File) (string, error) {
	if conversion, ok := expression.(*ast.CallExpr); ok { // featuregate.Feature(clientfeatures.AtomicFIFO)
		expression = conversion.Args[0]
	}
	if selector, ok := expression.(*ast.SelectorExpr); ok {
		from, err := imported(file, selector.X.(*ast.Ident).Name)
		if err != nil {
			return "", err
		}
		path = from
	}
	in, err := r.load(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	value, ok := in.constants[last(expression)]
	if !ok {
		return "", fmt.Errorf("%s has no constant %s", path, last(expression))
	}
	return value, nil
}

// specification is the last of several that is not of a later version; one alone is of every version.
func specification(literal *ast.CompositeLit, minor int) (gateFact, bool) {
	fact, is, many := gateFact{}, false, false
	for _, element := range literal.Elts {
		if one, ok := element.(*ast.CompositeLit); ok {
			many = true
			// A program runs as one that can be rolled back to the minor version before.
			if minorOf(one, "Version") <= minor && minorOf(one, "MinCompatibilityVersion") < minor {
				fact, is = single(one), true
			}
		}
	}
	if many {
		return fact, is
	}
	return single(literal), true
}

func single(literal *ast.CompositeLit) gateFact {
	var fact gateFact
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch last(pair.Key) {
		case "Default":
			fact.Default = last(pair.Value) == "true"
		case "LockToDefault":
			fact.Locked = last(pair.Value) == "true"
		case "PreRelease":
			fact.Stage = stages[last(pair.Value)]
		case "FeatureSpec": // of kubeadm's Feature
			return single(pair.Value.(*ast.CompositeLit))
		}
	}
	return fact
}

// minorOf reads {Version: version.MustParse("1.30"), ...}; 0 where the field is not there.
func minorOf(literal *ast.CompositeLit, field string) int {
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok || last(pair.Key) != field {
			continue
		}
		text, _ := strconv.Unquote(pair.Value.(*ast.CallExpr).Args[0].(*ast.BasicLit).Value)
		_, minor, _ := strings.Cut(text, ".")
		number, _ := strconv.Atoi(minor)
		return number
	}
	return 0
}
