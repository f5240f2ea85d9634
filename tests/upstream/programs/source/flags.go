package main

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"os"
	"strconv"
	"strings"
)

type flagFact struct {
	Type string `json:"type"`
	Bare bool   `json:"bare,omitempty"` // it may stand without a value
}

// flags finds what packages define on a flag set that they call fs: `fs.StringVar(&field, "name", ...)`, `fs.Var(value, "name", ...)`.
// Where the name is not a word but a variable, the words are those that are looped over.
func flags(r reader, packages []string) error {
	found := map[string]flagFact{}
	for _, path := range packages {
		in, err := r.load(path)
		if err != nil {
			return err
		}
		for _, file := range in.all {
			words := map[string][]string{} // by the list's name
			ast.Inspect(file, func(node ast.Node) bool {
				switch one := node.(type) {
				case *ast.ValueSpec:
					if len(one.Values) == 1 {
						words[one.Names[0].Name] = stringsIn(one.Values[0])
					}
				case *ast.KeyValueExpr:
					words[last(one.Key)] = append(words[last(one.Key)], stringsIn(one.Value)...)
				case *ast.RangeStmt:
					for _, each := range defined(one.Body, words[last(one.X)]) {
						found[each.name] = each.flagFact
					}
				case *ast.CallExpr:
					if each, ok := definition(one); ok && each.name != "" {
						found[each.name] = each.flagFact
					}
				}
				return true
			})
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	return encoder.Encode(found)
}

type named struct {
	name string
	flagFact
}

// definition is a call that defines a flag; without a name where that is not a word.
func definition(call *ast.CallExpr) (named, bool) {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if ok && selector.Sel.Name == "AddFlag" && len(call.Args) == 2 && last(call.Args[0]) == "fs" {
		// A set of feature gates adds its own flag.
		if name, is := call.Args[1].(*ast.Ident); is {
			return named{constants[name.Name], flagFact{"gates", false}}, true
		}
	}
	if !ok || last(selector.X) != "fs" || !strings.HasSuffix(selector.Sel.Name, "Var") || len(call.Args) < 3 {
		return named{}, false
	}
	kind := strings.ToLower(strings.TrimSuffix(selector.Sel.Name, "Var"))
	if kind == "" {
		kind = "value"
	}
	fact := named{"", flagFact{kind, kind == "bool"}}
	if literal, ok := call.Args[1].(*ast.BasicLit); ok && literal.Kind == token.STRING {
		fact.name, _ = strconv.Unquote(literal.Value)
	} else if name, ok := call.Args[1].(*ast.Ident); ok && name.Obj == nil {
		fact.name = constants[name.Name]
	}
	return fact, true
}

// constants that etcd names flags by are found while its packages are loaded.
var constants = map[string]string{}

func defined(body *ast.BlockStmt, names []string) []named {
	var found []named
	ast.Inspect(body, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			if each, is := definition(call); is && each.name == "" {
				for _, name := range names {
					found = append(found, named{name, each.flagFact})
				}
			}
		}
		return true
	})
	return found
}

func stringsIn(expression ast.Expr) []string {
	var found []string
	ast.Inspect(expression, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, _ := strconv.Unquote(literal.Value)
			found = append(found, text)
		}
		return true
	})
	return found
}
