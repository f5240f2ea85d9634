package main

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

type verdict struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	OK       bool            `json:"ok"`
	Errors   []problem       `json:"errors"`
	Warnings []string        `json:"warnings,omitempty"`
	Costs    []cost          `json:"costs"`
	Columns  []column        `json:"columns,omitempty"`
	Objects  []objectVerdict `json:"objects,omitempty"`
}

type problem struct {
	Type   string `json:"type"` // Decode, Panic, or the API server's own type of a field error
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
}

// cost is the static estimate of one CEL rule, and how often the schema lets it run.
type cost struct {
	Path        string `json:"path"` // of the schema node
	Version     string `json:"version"`
	Rule        int    `json:"rule"`
	Cost        uint64 `json:"cost"`
	Message     uint64 `json:"message"`
	Cardinality uint64 `json:"cardinality"`
	Error       string `json:"error,omitempty"`
}

type column struct {
	Version  string `json:"version"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	JSONPath string `json:"jsonPath"`
}

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	install.Install(s)
	return s
}()

var strict = serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder(apiextensions.SchemeGroupVersion)

// read decodes, defaults and converts. Strict errors leave the CRD to be validated all the same.
func read(document []byte) (*apiextensions.CustomResourceDefinition, []problem) {
	object, kind, err := strict.Decode(document, nil, nil)
	var problems []problem
	if err == nil && kind.Version != "v1" {
		return nil, []problem{{Type: "Decode", Detail: kind.String() + " is not served"}}
	}
	if err != nil {
		if !runtime.IsStrictDecodingError(err) {
			return nil, []problem{{Type: "Decode", Detail: err.Error()}}
		}
		strictErr, _ := runtime.AsStrictDecodingError(err)
		for _, e := range strictErr.Errors() {
			problems = append(problems, problem{Type: "Decode", Detail: e.Error()})
		}
	}
	crd, ok := object.(*apiextensions.CustomResourceDefinition)
	if !ok {
		return nil, append(problems, problem{Type: "Decode", Detail: fmt.Sprintf("%T is not CustomResourceDefinition", object)})
	}
	customresourcedefinition.NewStrategy(scheme).PrepareForCreate(context.Background(), crd)
	return crd, problems
}

func validate(crd *apiextensions.CustomResourceDefinition) []problem {
	return problems(validation.ValidateCustomResourceDefinition(context.Background(), crd))
}

func warnings(crd *apiextensions.CustomResourceDefinition) []string {
	return customresourcedefinition.NewStrategy(scheme).WarningsOnCreate(context.Background(), crd)
}

func problems(errs field.ErrorList) []problem {
	out := []problem{}
	for _, e := range errs {
		out = append(out, problem{Type: string(e.Type), Field: e.Field, Detail: e.ErrorBody()})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Field+out[i].Detail < out[j].Field+out[j].Detail })
	return out
}

// costs compiles the rules of every version once more, since validation tells a cost only where it is too high.
func costs(crd *apiextensions.CustomResourceDefinition) []cost {
	out := []cost{}
	for i, version := range crd.Spec.Versions {
		schema, err := apiextensions.GetSchemaForVersion(crd, version.Name)
		if err != nil || schema == nil || schema.OpenAPIV3Schema == nil {
			continue
		}
		path := field.NewPath("spec", "versions").Index(i).Child("schema", "openAPIV3Schema")
		w := walker{version: version.Name, out: &out}
		_ = w.walk(schema.OpenAPIV3Schema, path, validation.RootCELContext(schema.OpenAPIV3Schema))
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Path != out[j].Path {
			return out[i].Path < out[j].Path
		}
		return out[i].Rule < out[j].Rule
	})
	return out
}

type walker struct {
	version string
	out     *[]cost
}

var environments = environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), true)

func (w walker) walk(s *apiextensions.JSONSchemaProps, path *field.Path, c *validation.CELSchemaContext) error {
	if s == nil {
		return nil
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		child := s.AdditionalProperties.Schema
		if err := w.walk(child, path.Child("additionalProperties"), c.ChildAdditionalPropertiesContext(child)); err != nil {
			return err
		}
	}
	for name := range s.Properties {
		child := s.Properties[name]
		if err := w.walk(&child, path.Child("properties").Key(name), c.ChildPropertyContext(&child, name)); err != nil {
			return err
		}
	}
	if s.Items != nil && s.Items.Schema != nil {
		if err := w.walk(s.Items.Schema, path.Child("items"), c.ChildItemsContext(s.Items.Schema)); err != nil {
			return err
		}
	}
	if len(s.XValidations) == 0 {
		return nil
	}
	info, err := c.TypeInfo()
	if err != nil || info == nil {
		return errors.Join(err, errors.New("no type information"))
	}
	results, err := cel.Compile(info.Schema, info.DeclType, celconfig.PerCallLimit, environments, cel.NewExpressionsEnvLoader())
	if err != nil {
		return err
	}
	for i, r := range results {
		entry := cost{Path: path.String(), Version: w.version, Rule: i, Cost: r.MaxCost, Message: r.MessageExpressionMaxCost, Cardinality: r.MaxCardinality}
		if c.MaxCardinality != nil {
			entry.Cardinality = *c.MaxCardinality
		}
		if r.Error != nil {
			entry.Error = r.Error.Detail
		} else if r.MessageExpressionError != nil {
			entry.Error = r.MessageExpressionError.Detail
		}
		*w.out = append(*w.out, entry)
	}
	return nil
}

func columns(crd *apiextensions.CustomResourceDefinition) []column {
	out := []column{}
	for _, version := range crd.Spec.Versions {
		defined, err := apiextensions.GetColumnsForVersion(crd, version.Name)
		if err != nil {
			continue
		}
		for _, c := range defined {
			out = append(out, column{Version: version.Name, Name: c.Name, Type: c.Type, JSONPath: c.JSONPath})
		}
	}
	return out
}
