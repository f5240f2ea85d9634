package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// BasicAuth is a user name and a password.
type BasicAuth struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f-\x9f\x{2028}\x{2029}]*$`
	Username string `json:"username"`

	// +required
	PasswordFrom KeyReference `json:"passwordFrom"`
}

// HTTPCredentials is who the manager is towards the server.
//
// +kubebuilder:validation:AtMostOneOf=basic;bearerTokenFrom
type HTTPCredentials struct {
	// +optional
	Basic *BasicAuth `json:"basic,omitempty"`

	// +optional
	BearerTokenFrom *KeyReference `json:"bearerTokenFrom,omitempty"`

	// +optional
	ClientCertificate *SecretReference `json:"clientCertificate,omitempty"`
}

// MachineToken is a bearer token made for one machine.
type MachineToken struct {
	// +required
	KeyFrom KeyReference `json:"keyFrom"`

	// +optional
	// +kubebuilder:default="1h"
	Expiry Duration `json:"expiry,omitempty"`
}

// HTTPAccess is how the machine reaches the server.
//
// +kubebuilder:validation:ExactlyOneOf=token;plugin
type HTTPAccess struct {
	// +optional
	Token *MachineToken `json:"token,omitempty"`

	// +optional
	Plugin *ProviderRef `json:"plugin,omitempty"`
}

// HTTPBootstrapStoreSpec is a server, and how it is used.
type HTTPBootstrapStoreSpec struct {
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^@ ?#\x00-\x1f\x7f-\x9f]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed",reason="FieldValueForbidden"
	URL string `json:"url"`

	// +optional
	MachineURL URL `json:"machineURL,omitempty"`

	// +optional
	// +kubebuilder:default=PUT
	// +kubebuilder:validation:Enum=PUT;POST
	Method string `json:"method,omitempty"`

	// +optional
	Credentials *HTTPCredentials `json:"credentials,omitempty"`

	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) >= 1 && size(k) <= 128)",message="keys have 1 to 128 characters"
	HeadersFrom map[string]KeyReference `json:"headersFrom,omitempty"`

	// +optional
	CABundle PEM `json:"caBundle,omitempty"`

	// +optional
	// +kubebuilder:default="30s"
	Timeout Duration `json:"timeout,omitempty"`

	// +required
	Fetch HTTPAccess `json:"fetch"`

	// +optional
	Reporting *HTTPAccess `json:"reporting,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Retention StoreRetention `json:"retention,omitempty,omitzero"`
}

// HTTPBootstrapStore keeps realised configurations on a web server.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=httpbootstrapstores,shortName=httpbs,categories=cluster-api
// +kubebuilder:metadata:labels="cluster.x-k8s.io/v1beta2=v1alpha1"
// +kubebuilder:metadata:labels="cluster.x-k8s.io/provider=infrastructure-machineadm"
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`,description="Where configurations are stored"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].status`,description="The store is usable"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="Age"
type HTTPBootstrapStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec HTTPBootstrapStoreSpec `json:"spec"`

	// +optional
	Status StoreStatus `json:"status,omitempty,omitzero"`
}
