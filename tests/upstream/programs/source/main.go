// Command source reads the source of Kubernetes, without building it, and prints what it found as JSON.
//
//	source types MODULES TYPE...
//	source gates MODULES MINOR PACKAGE...
//	source flags MODULES PACKAGE...
//
// MODULES is a JSON file: the directory of each module by its path. `types`: the fields of Go types and the values of
// enumerations. A type is named by its import path, such as k8s.io/api/core/v1.Pod; what it refers to comes along, and one that is
// not there is left out. `gates`: the feature gates that packages declare, as they are in the minor version 1.MINOR.
// `flags`: the flags that packages define on a flag set fs, as etcd does.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// special types read something else than their fields.
var special = map[string]string{
	"k8s.io/apimachinery/pkg/api/resource.Quantity":        "quantity",
	"k8s.io/apimachinery/pkg/api/resource.QuantityValue":   "quantity",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":        "duration",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":            "time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":       "time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":        "any",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":         "any",
	"k8s.io/apimachinery/pkg/runtime.Unknown":              "any",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":      "intorstring",
	"k8s.io/component-base/logs/api/v1.TimeOrMetaDuration": "durationornumber",
	"time.Duration": "int64",
}

type structFact map[string]string

type enumFact struct {
	Values []string `json:"values"`
	Marked bool     `json:"marked"` // its source says +enum: there are no others
}

type reader struct {
	modules  map[string]string
	packages map[string]*goPackage
	structs  map[string]structFact
	enums    map[string]enumFact
}

type goPackage struct {
	types     map[string]*ast.TypeSpec
	docs      map[string]string
	files     map[string]*ast.File // of each type
	values    map[string][]string  // constants of each type that are text
	constants map[string]string    // all constants that are text, by name
	all       []*ast.File
}

var errAbsent = errors.New("is not there")

func (r *reader) directory(path string) (string, error) {
	best := ""
	for module := range r.modules {
		if (path == module || strings.HasPrefix(path, module+"/")) && len(module) > len(best) {
			best = module
		}
	}
	if best == "" {
		return "", fmt.Errorf("no module has %s", path)
	}
	return filepath.Join(r.modules[best], strings.TrimPrefix(path, best)), nil
}

func (r *reader) load(path string) (*goPackage, error) {
	if found, ok := r.packages[path]; ok {
		return found, nil
	}
	directory, err := r.directory(path)
	if err != nil {
		return nil, err
	}
	names, err := os.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errAbsent
	} else if err != nil {
		return nil, err
	}
	found := &goPackage{map[string]*ast.TypeSpec{}, map[string]string{}, map[string]*ast.File{}, map[string][]string{}, map[string]string{}, nil}
	for _, name := range names {
		if !strings.HasSuffix(name.Name(), ".go") || strings.HasSuffix(name.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(directory, name.Name()), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		found.add(file)
	}
	r.packages[path] = found
	return found, nil
}

func (p *goPackage) add(file *ast.File) {
	p.all = append(p.all, file)
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch one := spec.(type) {
			case *ast.TypeSpec:
				p.types[one.Name.Name], p.files[one.Name.Name] = one, file
				p.docs[one.Name.Name] = raw(general.Doc) + raw(one.Doc)
			case *ast.ValueSpec:
				if general.Tok != token.CONST {
					continue
				}
				named, _ := one.Type.(*ast.Ident)
				for i, value := range one.Values {
					if call, ok := value.(*ast.CallExpr); ok && len(call.Args) == 1 { // Feature("Name")
						value = call.Args[0]
					}
					literal, ok := value.(*ast.BasicLit)
					if !ok || literal.Kind != token.STRING {
						continue
					}
					text, _ := strconv.Unquote(literal.Value)
					p.constants[one.Names[i].Name], constants[one.Names[i].Name] = text, text
					if named != nil {
						p.values[named.Name] = append(p.values[named.Name], text)
					}
				}
			}
		}
	}
}

func raw(comments *ast.CommentGroup) string {
	if comments == nil {
		return ""
	}
	var lines []string
	for _, each := range comments.List {
		lines = append(lines, each.Text)
	}
	return strings.Join(lines, "\n") + "\n"
}

// kind is what a value of a type must be: a scalar's kind, a type's name; behind [] that of a list's items, behind {} that of a map's values.
func (r *reader) kind(expression ast.Expr, path string, file *ast.File) (string, error) {
	switch one := expression.(type) {
	case *ast.StarExpr:
		return r.kind(one.X, path, file)
	case *ast.ArrayType:
		if named, ok := one.Elt.(*ast.Ident); ok && named.Name == "byte" {
			return "bytes", nil
		}
		items, err := r.kind(one.Elt, path, file)
		return "[]" + items, err
	case *ast.MapType:
		values, err := r.kind(one.Value, path, file)
		return "{}" + values, err
	case *ast.InterfaceType:
		return "any", nil
	case *ast.Ident:
		switch one.Name {
		case "string", "bool", "int32", "int64", "int", "uint32", "uint64", "float32", "float64", "uint16", "uint8", "int16", "any":
			return one.Name, nil
		}
		return r.named(path, one.Name)
	case *ast.SelectorExpr:
		from, err := imported(file, one.X.(*ast.Ident).Name)
		if err != nil {
			return "", err
		}
		return r.named(from, one.Sel.Name)
	}
	return "", fmt.Errorf("%s: a type of Go that nobody expected: %T", path, expression)
}

func imported(file *ast.File, alias string) (string, error) {
	for _, each := range file.Imports {
		path, _ := strconv.Unquote(each.Path.Value)
		if (each.Name != nil && each.Name.Name == alias) || (each.Name == nil && (filepath.Base(path) == alias)) {
			return path, nil
		}
	}
	return "", fmt.Errorf("nothing is imported as %s", alias)
}

func (r *reader) named(path, name string) (string, error) {
	full := path + "." + name
	if found, ok := special[full]; ok {
		return found, nil
	}
	if _, done := r.structs[full]; done {
		return full, nil
	}
	if _, done := r.enums[full]; done {
		return full, nil
	}
	in, err := r.load(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", full, err)
	}
	spec, ok := in.types[name]
	if !ok {
		return "", fmt.Errorf("%s: %w", full, errAbsent)
	}
	body, ok := spec.Type.(*ast.StructType)
	if ok {
		r.structs[full] = structFact{}
		return full, r.fields(body, path, in.files[name], r.structs[full])
	}
	under, err := r.kind(spec.Type, path, in.files[name])
	if err != nil || under != "string" || len(in.values[name]) == 0 {
		return under, err
	}
	values := in.values[name]
	sort.Strings(values)
	r.enums[full] = enumFact{values, strings.Contains(in.docs[name], "+enum")}
	return full, nil
}

func (r *reader) fields(body *ast.StructType, path string, file *ast.File, into structFact) error {
	for _, field := range body.Fields.List {
		tag := ""
		if field.Tag != nil {
			text, _ := strconv.Unquote(field.Tag.Value)
			tag = reflect.StructTag(text).Get("json")
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "-" {
			continue
		}
		kind, err := r.kind(field.Type, path, file)
		if err != nil {
			return err
		}
		if len(field.Names) == 0 && (name == "" || strings.Contains(options, "inline")) { // its fields are those of the one around it
			for inner, its := range r.structs[kind] {
				into[inner] = its
			}
			continue
		}
		if len(field.Names) == 0 { // such as ObjectMeta, which is called metadata
			into[name] = kind
		}
		for _, each := range field.Names {
			if name == "" {
				name = each.Name
			}
			if each.IsExported() {
				into[name] = kind
			}
		}
	}
	return nil
}

func types(r reader, names []string) error {
	var roots []string
	for _, full := range names {
		dot := strings.LastIndex(full, ".")
		if _, err := r.named(full[:dot], full[dot+1:]); errors.Is(err, errAbsent) {
			continue
		} else if err != nil {
			return err
		}
		roots = append(roots, full)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	return encoder.Encode(map[string]any{"roots": roots, "structs": r.structs, "enums": r.enums})
}

func run(arguments []string) error {
	content, err := os.ReadFile(arguments[1])
	if err != nil {
		return err
	}
	r := reader{map[string]string{}, map[string]*goPackage{}, map[string]structFact{}, map[string]enumFact{}}
	if err := json.Unmarshal(content, &r.modules); err != nil {
		return err
	}
	switch arguments[0] {
	case "types":
		return types(r, arguments[2:])
	case "flags":
		return flags(r, arguments[2:])
	}
	minor, err := strconv.Atoi(arguments[2])
	if err != nil {
		return err
	}
	return gates(r, minor, arguments[3:])
}

func main() {
	if len(os.Args) < 4 || (os.Args[1] != "types" && os.Args[1] != "gates" && os.Args[1] != "flags") {
		fmt.Fprintln(os.Stderr, "usage: source types MODULES TYPE... | gates MODULES MINOR PACKAGE... | flags MODULES PACKAGE...")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "source:", err)
		os.Exit(1)
	}
}
