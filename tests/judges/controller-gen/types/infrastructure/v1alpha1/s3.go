package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AWSCredentials is who the manager is towards AWS.
//
// +kubebuilder:validation:XValidation:rule="!has(self.externalID) || has(self.roleARN)",message="externalID goes with roleARN only",reason="FieldValueForbidden",fieldPath=".externalID"
type AWSCredentials struct {
	// +optional
	Secret *SecretReference `json:"secret,omitempty"`

	// +optional
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^arn:[a-z0-9-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$`
	RoleARN string `json:"roleARN,omitempty"`

	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=1224
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9+=,.@:/_-]+$`
	ExternalID string `json:"externalID,omitempty"`
}

// S3Encryption is encryption at rest by the store.
//
// +kubebuilder:validation:XValidation:rule="!has(self.kmsKeyID) || has(self.algorithm) && self.algorithm == 'aws:kms'",message="kmsKeyID goes with algorithm aws:kms only",reason="FieldValueForbidden",fieldPath=".kmsKeyID"
type S3Encryption struct {
	// +optional
	// +kubebuilder:default=AES256
	// +kubebuilder:validation:Enum=AES256;"aws:kms"
	Algorithm string `json:"algorithm,omitempty"`

	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9:/_-]+$`
	KMSKeyID string `json:"kmsKeyID,omitempty"`
}

// SignedURL is a URL that carries its own permission.
type SignedURL struct {
	// +optional
	// +kubebuilder:default="1h"
	Expiry Duration `json:"expiry,omitempty"`
}

// StoreFetch is how the machine fetches its configuration.
//
// +kubebuilder:validation:ExactlyOneOf=presignedURL;plugin
type StoreFetch struct {
	// +optional
	PresignedURL *SignedURL `json:"presignedURL,omitempty"`

	// +optional
	Plugin *ProviderRef `json:"plugin,omitempty"`
}

// StoreReporting is how the machine reports.
//
// +kubebuilder:validation:ExactlyOneOf=presignedURL;plugin
type StoreReporting struct {
	// +optional
	PresignedURL *SignedURL `json:"presignedURL,omitempty"`

	// +optional
	Plugin *ProviderRef `json:"plugin,omitempty"`

	// +optional
	// +kubebuilder:default="30s"
	Interval Duration `json:"interval,omitempty"`
}

// Tag is the value of a tag.
//
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f-\x9f\x{2028}\x{2029}]*$`
type Tag string

// S3BootstrapStoreSpec is a bucket, and how it is used.
type S3BootstrapStoreSpec struct {
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9][a-z0-9.-]*[a-z0-9]$`
	// +k8s:immutable
	Bucket string `json:"bucket"`

	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern="^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*/?$"
	// +k8s:immutable
	Prefix string `json:"prefix,omitempty"`

	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9-]+$`
	Region string `json:"region,omitempty"`

	// +optional
	Endpoint URL `json:"endpoint,omitempty"`

	// +optional
	// +kubebuilder:default=false
	ForcePathStyle bool `json:"forcePathStyle,omitempty"`

	// +optional
	CABundle PEM `json:"caBundle,omitempty"`

	// +optional
	Credentials *AWSCredentials `json:"credentials,omitempty"`

	// +optional
	Encryption *S3Encryption `json:"encryption,omitempty"`

	// +optional
	// +kubebuilder:validation:MaxProperties=50
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) >= 1 && size(k) <= 128)",message="keys have 1 to 128 characters"
	Tags map[string]Tag `json:"tags,omitempty"`

	// +optional
	Fetch *StoreFetch `json:"fetch,omitempty"`

	// +optional
	Reporting *StoreReporting `json:"reporting,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Retention StoreRetention `json:"retention,omitempty,omitzero"`
}

// S3BootstrapStore keeps realised configurations in a bucket of S3, or of a store that speaks its protocol.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=s3bootstrapstores,shortName=s3bs,categories=cluster-api
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
// +kubebuilder:metadata:labels="cluster.x-k8s.io/provider=infrastructure-machineadm"
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:printcolumn:name="Bucket",type=string,JSONPath=`.spec.bucket`,description="The bucket"
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`,description="Its region"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].status`,description="The store is usable"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="Age"
type S3BootstrapStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec S3BootstrapStoreSpec `json:"spec"`

	// +optional
	Status StoreStatus `json:"status,omitempty,omitzero"`
}
