//go:build before_1_35

package main

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/validation"
)

// validatePod is what the kubelet does up to 1.34 (pkg/kubelet/config/common.go): as if all feature gates were off.
func validatePod(pod *core.Pod) field.ErrorList {
	return validation.ValidatePodCreate(pod, validation.PodValidationOptions{})
}
