// Command cluster-api renders user data of KubeadmConfigSpecs as Cluster API's own bootstrap provider does.
//
// It reads one JSON object a line and writes one a line: the version of the API that the spec is of, the spec, the role that
// the provider would choose, and what it would take from the Machine and the Cluster. What needs a management cluster
// (Secrets, certificates, bootstrap tokens) is left out.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/blang/semver/v4"
	bootstrapv1beta1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta1"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	"sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/cloudinit"
	"sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/ignition"
	kubeadmtypes "sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/types"
	"sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/types/upstream"
	"sigs.k8s.io/cluster-api/bootstrap/kubeadm/webhooks/conversion"
)

type request struct {
	ID         string          `json:"id"`
	APIVersion string          `json:"apiVersion"`
	Spec       json.RawMessage `json:"spec"`
	Role       string          `json:"role"`
	Version    string          `json:"version"`
	Cluster    cluster         `json:"cluster"`
}

type cluster struct {
	Name                 *string `json:"name"`
	ControlPlaneEndpoint string  `json:"controlPlaneEndpoint"`
	DNSDomain            *string `json:"dnsDomain"`
	ServiceSubnet        *string `json:"serviceSubnet"`
	PodSubnet            *string `json:"podSubnet"`
}

type answer struct {
	ID       string   `json:"id"`
	UserData string   `json:"userData,omitempty"`
	Kubeadm  []string `json:"kubeadm,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		var one request
		if err := json.Unmarshal(in.Bytes(), &one); err != nil {
			fail(err)
		}
		userData, kubeadm, err := render(&one)
		result := answer{ID: one.ID, UserData: string(userData), Kubeadm: kubeadm}
		if err != nil {
			result = answer{ID: one.ID, Error: err.Error()}
		}
		if err := out.Encode(result); err != nil {
			fail(err)
		}
	}
	if err := in.Err(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "cluster-api:", err)
	os.Exit(1)
}

// spec decodes strictly, as the API server prunes or refuses what it does not know.
func spec(one *request) (*bootstrapv1.KubeadmConfigSpec, error) {
	decoder := json.NewDecoder(bytes.NewReader(one.Spec))
	decoder.DisallowUnknownFields()
	if one.APIVersion == "v1beta2" {
		config := &bootstrapv1.KubeadmConfigSpec{}
		return config, decoder.Decode(config)
	}
	old := &bootstrapv1beta1.KubeadmConfig{}
	if err := decoder.Decode(&old.Spec); err != nil {
		return nil, err
	}
	config := &bootstrapv1.KubeadmConfig{}
	if err := conversion.ConvertKubeadmConfigV1Beta1ToHub(context.Background(), old, config); err != nil {
		return nil, err
	}
	return &config.Spec, nil
}

func render(one *request) ([]byte, []string, error) {
	config, err := spec(one)
	if err != nil {
		return nil, nil, err
	}
	version, err := semver.ParseTolerant(one.Version)
	if err != nil {
		return nil, nil, err
	}
	data := cloudinit.BaseUserData{
		AdditionalFiles:     config.Files,
		BootCommands:        config.BootCommands,
		PreKubeadmCommands:  config.PreKubeadmCommands,
		PostKubeadmCommands: config.PostKubeadmCommands,
		Users:               config.Users,
		Mounts:              config.Mounts,
		KubernetesVersion:   version,
	}
	if config.NTP.IsDefined() {
		data.NTP = &config.NTP
	}
	if config.DiskSetup.IsDefined() {
		data.DiskSetup = &config.DiskSetup
	}
	if config.Verbosity != nil {
		data.KubeadmVerbosity = fmt.Sprintf("--v %d", *config.Verbosity)
	}
	isIgnition := config.Format == bootstrapv1.Ignition
	if one.Role == "Initialize" {
		return initialize(one, config, data, version, isIgnition)
	}
	document, err := kubeadmtypes.MarshalJoinConfigurationForVersion(&config.JoinConfiguration, version)
	if err != nil {
		return nil, nil, err
	}
	var userData []byte
	switch {
	case one.Role == "JoinControlPlane":
		input := &cloudinit.ControlPlaneJoinInput{BaseUserData: data, JoinConfiguration: document}
		if isIgnition {
			userData, _, err = ignition.NewJoinControlPlane(&ignition.ControlPlaneJoinInput{ControlPlaneJoinInput: input, Ignition: &config.Ignition})
		} else {
			userData, err = cloudinit.NewJoinControlPlane(input)
		}
	default:
		input := &cloudinit.NodeInput{BaseUserData: data, JoinConfiguration: document}
		if isIgnition {
			userData, _, err = ignition.NewNode(&ignition.NodeInput{NodeInput: input, Ignition: &config.Ignition})
		} else {
			userData, err = cloudinit.NewNode(input)
		}
	}
	return userData, []string{document}, err
}

func initialize(one *request, config *bootstrapv1.KubeadmConfigSpec, data cloudinit.BaseUserData, version semver.Version, isIgnition bool) ([]byte, []string, error) {
	if config.ClusterConfiguration.ControlPlaneEndpoint == "" {
		config.ClusterConfiguration.ControlPlaneEndpoint = one.Cluster.ControlPlaneEndpoint
	}
	kubernetes := one.Version
	additional := &upstream.AdditionalData{
		KubernetesVersion:                       &kubernetes,
		ClusterName:                             one.Cluster.Name,
		DNSDomain:                               one.Cluster.DNSDomain,
		ServiceSubnet:                           one.Cluster.ServiceSubnet,
		PodSubnet:                               one.Cluster.PodSubnet,
		ControlPlaneComponentHealthCheckSeconds: config.InitConfiguration.Timeouts.ControlPlaneComponentHealthCheckSeconds,
	}
	clusterDocument, err := kubeadmtypes.MarshalClusterConfigurationForVersion(&config.ClusterConfiguration, version, additional)
	if err != nil {
		return nil, nil, err
	}
	initDocument, err := kubeadmtypes.MarshalInitConfigurationForVersion(&config.InitConfiguration, version)
	if err != nil {
		return nil, nil, err
	}
	var userData []byte
	input := &cloudinit.ControlPlaneInput{BaseUserData: data, ClusterConfiguration: clusterDocument, InitConfiguration: initDocument}
	if isIgnition {
		userData, _, err = ignition.NewInitControlPlane(&ignition.ControlPlaneInput{ControlPlaneInput: input, Ignition: &config.Ignition})
	} else {
		userData, err = cloudinit.NewInitControlPlane(input)
	}
	return userData, []string{clusterDocument, initDocument}, err
}
