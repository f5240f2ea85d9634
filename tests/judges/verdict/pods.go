//go:build !before_1_35 && !kubeadm_only

package main

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/validation"
)

// validatePod is what the kubelet does from 1.35 on (pkg/kubelet/config/common.go): its feature gates decide.
func validatePod(pod *core.Pod) field.ErrorList {
	return validation.ValidatePodCreate(pod, podutil.GetValidationOptionsFromPodSpecAndMeta(&pod.Spec, nil, &pod.ObjectMeta, nil))
}
