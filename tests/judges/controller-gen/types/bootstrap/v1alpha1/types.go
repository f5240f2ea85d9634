// Package v1alpha1 says in Go what machineadm/api says of EncryptedData, with the markers that controller-gen knows.
//
// +groupName=bootstrap.cluster.x-k8s.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ShortBase64 is a few bytes in base64.
//
// +kubebuilder:validation:MinLength=4
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:Pattern=`^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`
type ShortBase64 string

// EncryptedDataSpec is the ciphertext and what is needed, beside the passphrase, to open it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.mac) || !has(self.cipherAlgorithm) || self.cipherAlgorithm != 'aes-256-gcm'",message="mac goes with aes-256-cbc only: aes-256-gcm has its own integrity",reason="FieldValueForbidden",fieldPath=".mac"
type EncryptedDataSpec struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	Provider string `json:"provider"`

	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4194304
	// +kubebuilder:validation:Pattern=`^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`
	Ciphertext string `json:"ciphertext"`

	// +required
	Salt ShortBase64 `json:"salt"`

	// +required
	IV ShortBase64 `json:"iv"`

	// +optional
	// +kubebuilder:default=aes-256-cbc
	// +kubebuilder:validation:Enum=aes-256-cbc;aes-256-gcm
	CipherAlgorithm string `json:"cipherAlgorithm,omitempty"`

	// +optional
	// +kubebuilder:default=sha-512
	// +kubebuilder:validation:Enum=sha-512;sha-256
	DigestAlgorithm string `json:"digestAlgorithm,omitempty"`

	// +optional
	// +kubebuilder:default=pbkdf2
	// +kubebuilder:validation:Enum=pbkdf2
	KeyDerivationAlgorithm string `json:"keyDerivationAlgorithm,omitempty"`

	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:default=50000
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{4,6}|10000000)$`
	Iterations intstr.IntOrString `json:"iterations,omitempty,omitzero"`

	// +optional
	MAC ShortBase64 `json:"mac,omitempty"`
}

// EncryptedData is in-line ciphertext that opens to further documents.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=encrypteddata,singular=encrypteddata,categories=cluster-api
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
// +kubebuilder:metadata:labels="cluster.x-k8s.io/provider=bootstrap-machineadm"
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`,description="Plugin that knows the passphrase"
// +kubebuilder:printcolumn:name="Cipher",type=string,JSONPath=`.spec.cipherAlgorithm`,description="Cipher"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="Age"
type EncryptedData struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec EncryptedDataSpec `json:"spec"`
}
