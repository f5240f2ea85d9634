//go:build before_1_34

package main

import (
	"errors"

	"k8s.io/kubernetes/pkg/apis/core"
)

// refersToAPI is an error for the few references that the kubelet refuses before: no more than this in 1.30 and 1.31.
func refersToAPI(pod *core.Pod) error {
	for _, volume := range pod.Spec.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.ClusterTrustBundle != nil {
				return errors.New("static pods may not use ClusterTrustBundle projected volume sources")
			}
		}
	}
	return nil
}
