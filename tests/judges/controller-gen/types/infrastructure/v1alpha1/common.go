// Package v1alpha1 says in Go what machineadm/api says of two stores, with the markers that controller-gen knows.
//
// +groupName=infrastructure.cluster.x-k8s.io
package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ObjectName is a DNS subdomain in lower case.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`
type ObjectName string

// Duration is a length of time as Go writes it.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=40
// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`
type Duration string

// Timestamp is a point in time (RFC 3339).
//
// +kubebuilder:validation:MinLength=20
// +kubebuilder:validation:MaxLength=40
// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$`
type Timestamp string

// PEM is one or more PEM blocks.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=102400
type PEM string

// URL is an absolute URL.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9+.-]*://[^\x00-\x20\x7f-\x9f]+$`
type URL string

// KeyReference is one key of a Secret.
type KeyReference struct {
	// +required
	Name ObjectName `json:"name"`

	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._A-Za-z0-9]+$`
	Key string `json:"key"`
}

// SecretReference is a Secret.
type SecretReference struct {
	// +required
	Name ObjectName `json:"name"`
}

// Input is what a plugin is told.
//
// +kubebuilder:validation:MaxLength=4096
type Input string

// ProviderRef is a provider plugin that is asked for a value.
type ProviderRef struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	Name string `json:"name"`

	// +optional
	Inputs *Anything `json:"inputs,omitempty"`

	// +optional
	// +kubebuilder:validation:MaxProperties=50
	SecretInputs map[string]Input `json:"secretInputs,omitempty"`

	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`
	Output string `json:"output,omitempty"`
}

// Anything is an object of any content.
//
// +kubebuilder:validation:MaxProperties=50
// +kubebuilder:pruning:PreserveUnknownFields
type Anything struct{}

// StoreRetention is how long stored configurations are kept.
type StoreRetention struct {
	// +optional
	// +kubebuilder:default=AfterBootstrap
	// +kubebuilder:validation:Enum=AfterBootstrap;WithMachineBootstrap;Retain
	Policy string `json:"policy,omitempty"`

	// +optional
	// +kubebuilder:default="1h"
	GracePeriod Duration `json:"gracePeriod,omitempty"`
}

// Condition is a condition, in the form that Kubernetes gives them.
type Condition struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9./_-]+$`
	Type string `json:"type"`

	// +required
	// +kubebuilder:validation:Enum="True";"False";Unknown
	Status string `json:"status"`

	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`
	Reason string `json:"reason"`

	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Message string `json:"message,omitempty"`

	// +required
	LastTransitionTime Timestamp `json:"lastTransitionTime"`

	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// StoreStatus is what the manager knows of a store.
type StoreStatus struct {
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=type
	Conditions []Condition `json:"conditions,omitempty"`

	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Objects *int32 `json:"objects,omitempty"`

	// +optional
	LastWriteTime Timestamp `json:"lastWriteTime,omitempty"`
}
