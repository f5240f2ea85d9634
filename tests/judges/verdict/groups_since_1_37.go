//go:build !kubeadm_only && !before_1_37

package main

import _ "k8s.io/kubernetes/pkg/apis/lifecycle/install"
