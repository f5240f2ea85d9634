package main

import (
	"context"
	"encoding/json"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	servervalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

type objectVerdict struct {
	OK     bool           `json:"ok"`
	Pruned []string       `json:"pruned"` // paths that the schema does not know; strict field validation refuses them
	Errors []problem      `json:"errors"`
	Object map[string]any `json:"object"` // as it would be stored, pruned and defaulted
}

// judgeObject does what a request does: prune, drop nulls, coerce metadata, default; then schema, metadata, list types, CEL.
func judgeObject(crd *apiextensions.CustomResourceDefinition, r objectRequest) objectVerdict {
	v := objectVerdict{Pruned: []string{}, Errors: []problem{}}
	refuse := func(detail string) objectVerdict {
		v.Errors = append(v.Errors, problem{Type: "Decode", Detail: detail})
		return v
	}
	if r.Object == nil {
		return refuse("there is no object")
	}
	props, structural, err := schemas(crd, r.Object)
	if err != nil {
		return refuse(err.Error())
	}
	v.Object = integers(r.Object).(map[string]any)
	v.Pruned = append(v.Pruned, pruning.PruneWithOptions(v.Object, structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	defaulting.PruneNonNullableNullsWithoutDefaults(v.Object, structural)
	if err := objectmeta.Coerce(nil, v.Object, structural, false, false); err != nil {
		v.Errors = append(v.Errors, problems(field.ErrorList{err})...)
		return v
	}
	defaulting.Default(v.Object, structural)
	validator, _, err := servervalidation.NewSchemaValidator(props)
	if err != nil {
		return refuse(err.Error())
	}
	var old any
	if r.Old != nil {
		old = integers(r.Old)
	}
	v.Errors = problems(objectErrors(v.Object, old, structural, validator))
	v.OK = len(v.Errors) == 0
	return v
}

func schemas(crd *apiextensions.CustomResourceDefinition, object map[string]any) (*apiextensions.JSONSchemaProps, *schema.Structural, error) {
	apiVersion, _ := object["apiVersion"].(string)
	_, version, _ := strings.Cut(apiVersion, "/")
	s, err := apiextensions.GetSchemaForVersion(crd, version)
	if err != nil {
		return nil, nil, err
	}
	structural, err := schema.NewStructural(s.OpenAPIV3Schema)
	if err != nil {
		return nil, nil, err
	}
	structural = structural.DeepCopy()
	return s.OpenAPIV3Schema, structural, defaulting.PruneDefaults(structural)
}

func objectErrors(object map[string]any, old any, structural *schema.Structural, validator servervalidation.SchemaValidator) field.ErrorList {
	errs := servervalidation.ValidateCustomResource(nil, object, validator)
	errs = append(errs, objectmeta.Validate(nil, object, structural, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, structural, object)...)
	if rules := cel.NewValidator(structural, true, celconfig.PerCallLimit); rules != nil && len(errs) == 0 {
		found, _ := rules.Validate(context.Background(), nil, structural, object, old, celconfig.RuntimeCELCostBudget)
		errs = append(errs, found...)
	}
	return errs
}

// integers makes the numbers of a request what the API server's decoder makes of them: int64 where it fits, float64 else.
func integers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k, item := range v {
			v[k] = integers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = integers(item)
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	}
	return value
}
