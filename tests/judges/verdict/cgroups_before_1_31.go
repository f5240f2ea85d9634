//go:build before_1_31

package main

import "k8s.io/kubernetes/pkg/kubelet/apis/config"

func takeAnyCgroups(*config.KubeletConfiguration) {}
