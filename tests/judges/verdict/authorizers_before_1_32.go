//go:build before_1_32

package main

import (
	"context"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/apis/apiserver"
	apiservervalidation "k8s.io/apiserver/pkg/apis/apiserver/validation"
	options "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/pkg/kubeapiserver/authorizer/modes"
)

func validateAuthentication(c *apiserver.AuthenticationConfiguration) field.ErrorList {
	return apiservervalidation.ValidateAuthenticationConfiguration(c, nil)
}

func validateAuthorization(c *apiserver.AuthorizationConfiguration) field.ErrorList {
	return apiservervalidation.ValidateAuthorizationConfiguration(nil, c,
		sets.NewString(modes.AuthorizationModeChoices...), sets.NewString(modes.ModeWebhook))
}

func completeAPIServer(_ context.Context, made *options.ServerRunOptions) (options.CompletedOptions, error) {
	return made.Complete()
}
