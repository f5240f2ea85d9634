//go:build !before_1_34 && !kubeadm_only

package main

import (
	"fmt"

	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
)

// refersToAPI is an error where a static pod needs an object of the API, which is not there yet.
func refersToAPI(pod *core.Pod) error {
	_, resource, err := podutil.HasAPIObjectReference(pod)
	if err != nil {
		return err
	}
	if resource != "" {
		return fmt.Errorf("static pods may not reference %s", resource)
	}
	return nil
}
