//go:build !before_1_32 && !kubeadm_only

package main

import (
	"context"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/apis/apiserver"
	apiservervalidation "k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	options "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/pkg/kubeapiserver/authorizer/modes"
)

func validateAuthentication(c *apiserver.AuthenticationConfiguration) field.ErrorList {
	return apiservervalidation.ValidateAuthenticationConfiguration(authenticationcel.NewDefaultCompiler(), c, nil)
}

func validateAuthorization(c *apiserver.AuthorizationConfiguration) field.ErrorList {
	return apiservervalidation.ValidateAuthorizationConfiguration(authorizationcel.NewDefaultCompiler(), nil, c,
		sets.New(modes.AuthorizationModeChoices...), sets.New(modes.ModeWebhook))
}

func completeAPIServer(ctx context.Context, made *options.ServerRunOptions) (options.CompletedOptions, error) {
	return made.Complete(ctx)
}
