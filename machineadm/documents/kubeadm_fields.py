"""Where the fields of a KubeadmConfig and of kubeadm's own documents are here: for who writes one of their names.

The tables were typed from cluster-api's bootstrap.cluster.x-k8s.io/v1beta2 and from kubeadm.k8s.io/v1beta4 with what
v1beta3 has beside. Each field has ours, below spec, or the reason why there is none. docs/kubeadmconfig.md is written
from them. Loaded only where a field is not known.
"""

from __future__ import annotations

from typing import NamedTuple


class Ours(NamedTuple):
    """Where our types say it; [] is an item of a list, {} the value of a map, (Tag) a member of a union."""

    path: str


class Reason(NamedTuple):
    """Why there is no field of ours."""

    text: str


def ours(path: str) -> Ours:
    """A field of ours."""
    return Ours(path)


def reason(text: str) -> Reason:
    """No field of ours."""
    return Reason(text)


LINUX = "machine.linuxConfiguration"
K8S = "kubernetes"
CLUSTER = f"{K8S}.cluster"
CONTROL_PLANE = f"{K8S}.controlPlane"
NODE = f"{K8S}.node"
INIT = f"{K8S}.role(Initialize)"
# The three fields of joining are the same for a control plane; docs/kubeadmconfig.md says so once,
# by the worker's.
JOIN = f"{K8S}.role(JoinWorker)"
JOIN_CP = f"{K8S}.role(JoinControlPlane)"
TOKEN = f"{JOIN}.discovery(Token)"
FILE = f"{JOIN}.discovery(File)"
STORAGE = f"{LINUX}.storage"

MANAGER = reason("MachineBootstrap.spec: the manager handles it before a machine reads anything")

# core/v1 EnvVar, which kubeadm embeds: written out, as every name of theirs must lead somewhere.
ENV_VAR = {
    "name": "name",
    "value": "value",
    "valueFrom.configMapKeyRef.name": "valueFrom.configMapKeyRef.name",
    "valueFrom.configMapKeyRef.key": "valueFrom.configMapKeyRef.key",
    "valueFrom.configMapKeyRef.optional": "valueFrom.configMapKeyRef.optional",
    "valueFrom.fieldRef.apiVersion": "valueFrom.fieldRef.apiVersion",
    "valueFrom.fieldRef.fieldPath": "valueFrom.fieldRef.fieldPath",
    "valueFrom.fileKeyRef.key": "valueFrom.fileKeyRef.key",
    "valueFrom.fileKeyRef.optional": "valueFrom.fileKeyRef.optional",
    "valueFrom.fileKeyRef.path": "valueFrom.fileKeyRef.path",
    "valueFrom.fileKeyRef.volumeName": "valueFrom.fileKeyRef.volumeName",
    "valueFrom.resourceFieldRef.containerName": "valueFrom.resourceFieldRef.containerName",
    "valueFrom.resourceFieldRef.divisor": "valueFrom.resourceFieldRef.divisor",
    "valueFrom.resourceFieldRef.resource": "valueFrom.resourceFieldRef.resource",
    "valueFrom.secretKeyRef.name": "valueFrom.secretKeyRef.name",
    "valueFrom.secretKeyRef.key": "valueFrom.secretKeyRef.key",
    "valueFrom.secretKeyRef.optional": "valueFrom.secretKeyRef.optional",
}
VOLUME = ("name", "hostPath", "mountPath", "readOnly", "pathType")


def component(theirs: str, mine: str, *, volumes: bool = True) -> dict[str, Ours | Reason]:
    """Arguments, variables and volumes of a component."""
    found: dict[str, Ours | Reason] = {
        f"{theirs}.extraArgs[].name": ours(f"{mine}.extraArgs[].name"),
        f"{theirs}.extraArgs[].value": ours(f"{mine}.extraArgs[].value"),
    }
    for name, path in ENV_VAR.items():
        found[f"{theirs}.extraEnvs[].{name}"] = ours(f"{mine}.extraEnv[].{path}")
    # LocalEtcd has no extraVolumes in kubeadm: etcd's pod mounts its data and certificates alone.
    if volumes:
        for name in VOLUME:
            found[f"{theirs}.extraVolumes[].{name}"] = ours(f"{mine}.extraVolumes[].{name}")
    return found


def node_registration(theirs: str) -> dict[str, Ours | Reason]:
    """What both roles say of the node."""
    return {
        f"{theirs}.name": ours(f"{NODE}.name"),
        f"{theirs}.criSocket": ours(f"{NODE}.criSocket"),
        f"{theirs}.taints[].key": ours(f"{NODE}.taints[].key"),
        f"{theirs}.taints[].value": ours(f"{NODE}.taints[].value"),
        f"{theirs}.taints[].effect": ours(f"{NODE}.taints[].effect"),
        f"{theirs}.taints[].timeAdded": reason("the API server sets it, only for NoExecute"),
        f"{theirs}.kubeletExtraArgs[].name": ours(f"{NODE}.extraArgs[].name"),
        f"{theirs}.kubeletExtraArgs[].value": ours(f"{NODE}.extraArgs[].value"),
        f"{theirs}.ignorePreflightErrors[]": ours(f"{NODE}.ignorePreflightErrors[]"),
        f"{theirs}.imagePullPolicy": ours(f"{NODE}.imagePullPolicy"),
        f"{theirs}.imagePullSerial": ours(f"{NODE}.imagePullSerial"),
    }


def timeouts(theirs: str, unit: str) -> dict[str, Ours | Reason]:
    """Lengths of time, with the unit that a name ends in."""
    return {
        # Cluster API counts whole seconds and says so in the name, kubeadm and we write durations.
        f"{theirs}.{name}{unit}": ours(f"{K8S}.timeouts.{name}")
        for name in (
            "controlPlaneComponentHealthCheck",
            "kubeletHealthCheck",
            "kubernetesAPICall",
            "etcdAPICall",
            "tlsBootstrap",
            "discovery",
        )
    }


ENDPOINT = f"{CONTROL_PLANE}.localAPIEndpoint"

KUBEADM_CONFIG_SPEC: dict[str, Ours | Reason] = {
    # clusterConfiguration
    "clusterConfiguration.controlPlaneEndpoint": ours(f"{CLUSTER}.controlPlaneEndpoint"),
    "clusterConfiguration.certificatesDir": ours(f"{CLUSTER}.certificates.directory"),
    "clusterConfiguration.imageRepository": ours(f"{CLUSTER}.imageRepository"),
    "clusterConfiguration.featureGates{}": ours(f"{CLUSTER}.featureGates{{}}"),
    # Days there, a duration here; 365 days are 8760h.
    "clusterConfiguration.certificateValidityPeriodDays": ours(f"{CLUSTER}.certificates.validity"),
    "clusterConfiguration.caCertificateValidityPeriodDays": ours(
        f"{CLUSTER}.certificates.caValidity"
    ),
    "clusterConfiguration.encryptionAlgorithm": ours(f"{CLUSTER}.certificates.keyAlgorithm"),
    **component("clusterConfiguration.apiServer", f"{CONTROL_PLANE}.apiServer"),
    "clusterConfiguration.apiServer.certSANs[]": ours(f"{CONTROL_PLANE}.apiServer.certSANs[]"),
    **component("clusterConfiguration.controllerManager", f"{CONTROL_PLANE}.controllerManager"),
    **component("clusterConfiguration.scheduler", f"{CONTROL_PLANE}.scheduler"),
    "clusterConfiguration.dns.imageRepository": ours(f"{CLUSTER}.dns.image.repository"),
    "clusterConfiguration.dns.imageTag": ours(f"{CLUSTER}.dns.image.tag"),
    **component("clusterConfiguration.etcd.local", f"{CLUSTER}.etcd.local", volumes=False),
    "clusterConfiguration.etcd.local.imageRepository": ours(
        f"{CLUSTER}.etcd.local.image.repository"
    ),
    "clusterConfiguration.etcd.local.imageTag": ours(f"{CLUSTER}.etcd.local.image.tag"),
    "clusterConfiguration.etcd.local.dataDir": ours(f"{CLUSTER}.etcd.local.dataDir"),
    "clusterConfiguration.etcd.local.serverCertSANs[]": ours(
        f"{CLUSTER}.etcd.local.serverCertSANs[]"
    ),
    "clusterConfiguration.etcd.local.peerCertSANs[]": ours(f"{CLUSTER}.etcd.local.peerCertSANs[]"),
    "clusterConfiguration.etcd.external.endpoints[]": ours(f"{CLUSTER}.etcd.external.endpoints[]"),
    "clusterConfiguration.etcd.external.caFile": ours(f"{CLUSTER}.etcd.external.caFile"),
    "clusterConfiguration.etcd.external.certFile": ours(f"{CLUSTER}.etcd.external.certFile"),
    "clusterConfiguration.etcd.external.keyFile": ours(f"{CLUSTER}.etcd.external.keyFile"),
    # initConfiguration
    "initConfiguration.bootstrapTokens[].token": ours(f"{INIT}.bootstrapTokens[].token"),
    "initConfiguration.bootstrapTokens[].description": ours(
        f"{INIT}.bootstrapTokens[].description"
    ),
    # v1beta2 of Cluster API; kubeadm's own `ttl` is in KUBEADM_OWN.
    "initConfiguration.bootstrapTokens[].ttlSeconds": ours(f"{INIT}.bootstrapTokens[].ttl"),
    "initConfiguration.bootstrapTokens[].expires": ours(f"{INIT}.bootstrapTokens[].expires"),
    "initConfiguration.bootstrapTokens[].usages[]": ours(f"{INIT}.bootstrapTokens[].usages[]"),
    "initConfiguration.bootstrapTokens[].groups[]": ours(f"{INIT}.bootstrapTokens[].groups[]"),
    **node_registration("initConfiguration.nodeRegistration"),
    "initConfiguration.localAPIEndpoint.advertiseAddress": ours(f"{ENDPOINT}.advertiseAddress"),
    "initConfiguration.localAPIEndpoint.bindPort": ours(f"{ENDPOINT}.bindPort"),
    "initConfiguration.skipPhases[]": ours(f"{K8S}.skipPhases[]"),
    "initConfiguration.patches.directory": ours(f"{K8S}.patchesDirectory"),
    **timeouts("initConfiguration.timeouts", "Seconds"),
    # joinConfiguration
    **node_registration("joinConfiguration.nodeRegistration"),
    "joinConfiguration.caCertPath": ours(f"{JOIN}.caCertPath"),
    "joinConfiguration.controlPlane": ours(JOIN_CP),
    "joinConfiguration.controlPlane.localAPIEndpoint.advertiseAddress": ours(
        f"{ENDPOINT}.advertiseAddress"
    ),
    "joinConfiguration.controlPlane.localAPIEndpoint.bindPort": ours(f"{ENDPOINT}.bindPort"),
    "joinConfiguration.discovery.bootstrapToken.token": ours(f"{TOKEN}.token"),
    "joinConfiguration.discovery.bootstrapToken.apiServerEndpoint": ours(f"{TOKEN}.endpoint"),
    "joinConfiguration.discovery.bootstrapToken.caCertHashes[]": ours(f"{TOKEN}.caCertHashes[]"),
    "joinConfiguration.discovery.bootstrapToken.unsafeSkipCAVerification": ours(
        f"{TOKEN}.unsafeSkipCAVerification"
    ),
    "joinConfiguration.discovery.tlsBootstrapToken": ours(f"{JOIN}.tlsBootstrapToken"),
    "joinConfiguration.discovery.file.kubeConfigPath": ours(f"{FILE}.path"),
    "joinConfiguration.discovery.file.kubeConfig.cluster.server": ours(f"{FILE}.kubeconfig.server"),
    "joinConfiguration.discovery.file.kubeConfig.cluster.tlsServerName": ours(
        f"{FILE}.kubeconfig.tlsServerName"
    ),
    "joinConfiguration.discovery.file.kubeConfig.cluster.insecureSkipTLSVerify": ours(
        f"{FILE}.kubeconfig.insecureSkipTLSVerify"
    ),
    "joinConfiguration.discovery.file.kubeConfig.cluster.certificateAuthorityData": ours(
        f"{FILE}.kubeconfig.certificateAuthority"
    ),
    "joinConfiguration.discovery.file.kubeConfig.cluster.proxyURL": ours(
        f"{FILE}.kubeconfig.proxyURL"
    ),
    "joinConfiguration.discovery.file.kubeConfig.user.authProvider.name": ours(
        f"{FILE}.kubeconfig.user.authProvider.name"
    ),
    "joinConfiguration.discovery.file.kubeConfig.user.authProvider.config{}": ours(
        f"{FILE}.kubeconfig.user.authProvider.config{{}}"
    ),
    "joinConfiguration.discovery.file.kubeConfig.user.exec.command": ours(
        f"{FILE}.kubeconfig.user.exec.command"
    ),
    "joinConfiguration.discovery.file.kubeConfig.user.exec.args[]": ours(
        f"{FILE}.kubeconfig.user.exec.args[]"
    ),
    "joinConfiguration.discovery.file.kubeConfig.user.exec.env[].name": ours(
        f"{FILE}.kubeconfig.user.exec.env[].name"
    ),
    "joinConfiguration.discovery.file.kubeConfig.user.exec.env[].value": ours(
        f"{FILE}.kubeconfig.user.exec.env[].value"
    ),
    "joinConfiguration.discovery.file.kubeConfig.user.exec.apiVersion": ours(
        f"{FILE}.kubeconfig.user.exec.apiVersion"
    ),
    "joinConfiguration.discovery.file.kubeConfig.user.exec.provideClusterInfo": ours(
        f"{FILE}.kubeconfig.user.exec.provideClusterInfo"
    ),
    "joinConfiguration.skipPhases[]": ours(f"{K8S}.skipPhases[]"),
    "joinConfiguration.patches.directory": ours(f"{K8S}.patchesDirectory"),
    **timeouts("joinConfiguration.timeouts", "Seconds"),
    # files
    "files[].path": ours("machine.files[].path"),
    "files[].owner": ours("machine.files[].owner"),
    "files[].permissions": ours("machine.files[].permissions"),
    "files[].encoding": ours("machine.files[].encoding"),
    "files[].append": ours("machine.files[].append"),
    "files[].content": ours("machine.files[].content"),
    "files[].contentFormat": ours("machine.files[].contentFormat"),
    "files[].contentFrom.secret.name": ours("machine.files[].contentFrom.secret.name"),
    "files[].contentFrom.secret.key": ours("machine.files[].contentFrom.secret.key"),
    # diskSetup: a layout is a partition of 100 %, a diskLayout several of them
    "diskSetup.partitions[].device": ours(f"{STORAGE}.partitions[].device"),
    "diskSetup.partitions[].layout": ours(f"{STORAGE}.partitions[].percentage"),
    "diskSetup.partitions[].diskLayout[].percentage": ours(f"{STORAGE}.partitions[].percentage"),
    "diskSetup.partitions[].diskLayout[].partitionType": ours(f"{STORAGE}.partitions[].type"),
    "diskSetup.partitions[].overwrite": ours(f"{STORAGE}.disks[].overwrite"),
    "diskSetup.partitions[].tableType": ours(f"{STORAGE}.disks[].tableType"),
    "diskSetup.filesystems[].device": ours(f"{STORAGE}.filesystems[].device"),
    "diskSetup.filesystems[].filesystem": ours(f"{STORAGE}.filesystems[].filesystem"),
    "diskSetup.filesystems[].label": ours(f"{STORAGE}.filesystems[].label"),
    "diskSetup.filesystems[].partition": ours(f"{STORAGE}.filesystems[].partition"),
    "diskSetup.filesystems[].overwrite": ours(f"{STORAGE}.filesystems[].overwrite"),
    "diskSetup.filesystems[].replaceFS": ours(f"{STORAGE}.filesystems[].replaceFS"),
    "diskSetup.filesystems[].extraOpts[]": ours(f"{STORAGE}.filesystems[].extraOptions[]"),
    # mounts: the columns of /etc/fstab
    "mounts[][0]": ours(f"{STORAGE}.mounts[].source"),
    "mounts[][1]": ours(f"{STORAGE}.mounts[].target"),
    "mounts[][2]": ours(f"{STORAGE}.mounts[].type"),
    "mounts[][3]": ours(f"{STORAGE}.mounts[].options[]"),
    "mounts[][4]": ours(f"{STORAGE}.mounts[].dump"),
    "mounts[][5]": ours(f"{STORAGE}.mounts[].pass"),
    # commands
    "bootCommands[]": ours("machine.commands.boot[].script"),
    "preKubeadmCommands[]": ours("machine.commands.preKubeadm[].script"),
    "postKubeadmCommands[]": ours("machine.commands.postKubeadm[].script"),
    # users
    "users[].name": ours(f"{LINUX}.users[].name"),
    "users[].gecos": ours(f"{LINUX}.users[].gecos"),
    "users[].groups": ours(f"{LINUX}.users[].groups[]"),
    "users[].homeDir": ours(f"{LINUX}.users[].homeDir"),
    "users[].inactive": ours(f"{LINUX}.users[].inactive"),
    "users[].shell": ours(f"{LINUX}.users[].shell"),
    "users[].passwd": ours(f"{LINUX}.users[].passwordHash"),
    "users[].passwdFrom.secret.name": ours(f"{LINUX}.users[].passwordHashFrom.secret.name"),
    "users[].passwdFrom.secret.key": ours(f"{LINUX}.users[].passwordHashFrom.secret.key"),
    "users[].primaryGroup": ours(f"{LINUX}.users[].primaryGroup"),
    "users[].lockPassword": ours(f"{LINUX}.users[].lockPassword"),
    "users[].sudo": ours(f"{LINUX}.users[].sudo"),
    "users[].sshAuthorizedKeys[]": ours(f"{LINUX}.users[].sshAuthorizedKeys[]"),
    # the rest
    "ntp.servers[]": ours(f"{LINUX}.ntp.servers[]"),
    "ntp.enabled": ours(f"{LINUX}.ntp.enabled"),
    "verbosity": ours(f"{K8S}.verbosity"),
    "format": MANAGER,
    "ignition.containerLinuxConfig.additionalConfig": MANAGER,
    "ignition.containerLinuxConfig.strict": MANAGER,
}

# What a KubeadmConfigSpec does not have, or has under another name; the rest is the same there.
KUBEADM_OWN: dict[str, Ours | Reason] = {
    "ClusterConfiguration.kubernetesVersion": ours(f"{K8S}.version"),
    "ClusterConfiguration.clusterName": ours(f"{CLUSTER}.name"),
    "ClusterConfiguration.networking.serviceSubnet": ours(f"{CLUSTER}.network.serviceCIDRs[]"),
    "ClusterConfiguration.networking.podSubnet": ours(f"{CLUSTER}.network.podCIDRs[]"),
    "ClusterConfiguration.networking.dnsDomain": ours(f"{CLUSTER}.network.dnsDomain"),
    "ClusterConfiguration.dns.disabled": ours(f"{CLUSTER}.dns.disabled"),
    "ClusterConfiguration.proxy.disabled": ours(f"{CLUSTER}.proxyAddon.disabled"),
    "ClusterConfiguration.certificateValidityPeriod": ours(f"{CLUSTER}.certificates.validity"),
    "ClusterConfiguration.caCertificateValidityPeriod": ours(f"{CLUSTER}.certificates.caValidity"),
    # Whatever stands behind a blank is for the page and not part of the name (suggestions._table).
    "ClusterConfiguration.apiServer.timeoutForControlPlane (v1beta3)": ours(
        f"{K8S}.timeouts.controlPlaneComponentHealthCheck"
    ),
    "InitConfiguration.certificateKey": ours(f"{INIT}.certificateKey"),
    "InitConfiguration.bootstrapTokens[].ttl": ours(f"{INIT}.bootstrapTokens[].ttl"),
    "InitConfiguration.dryRun": reason("`machineadm plan` is the dry run"),
    "JoinConfiguration.dryRun": reason("`machineadm plan` is the dry run"),
    "JoinConfiguration.controlPlane.certificateKey": ours(f"{JOIN_CP}.certificateKey"),
    "JoinConfiguration.discovery.timeout (v1beta3)": ours(f"{K8S}.timeouts.discovery"),
    "JoinConfiguration.discovery.file.kubeConfigPath as a URL": reason(
        "kubeadm would fetch it unverified; spec.machine.files verifies a digest"
    ),
    **timeouts("Timeouts", ""),
    "Timeouts.upgradeManifests": ours(f"{K8S}.timeouts.upgradeManifests"),
    "KubeletConfiguration of the cluster": ours(f"{CLUSTER}.kubelet"),
    "KubeProxyConfiguration of the cluster": ours(f"{CLUSTER}.proxyAddon.config"),
    "inline patches": ours(f"{K8S}.patches[].patch"),
}

ALL = {**KUBEADM_CONFIG_SPEC, **KUBEADM_OWN}

CLOUD_CONFIG: dict[str, Ours | Reason] = {
    "bootcmd": ours("machine.commands.boot[].script"),
    "runcmd": ours("machine.commands.preKubeadm[].script"),
    "write_files": ours("machine.files[]"),
    "disk_setup": ours(f"{STORAGE}.partitions[]"),
    "fs_setup": ours(f"{STORAGE}.filesystems[]"),
    "ca_certs": ours("machine.systemTrustCertificateAuthorities[]"),
    "chpasswd": ours(f"{LINUX}.users[].passwordHash"),
    "plain_text_passwd": ours(f"{LINUX}.users[].passwordHash"),
    "hashed_passwd": ours(f"{LINUX}.users[].passwordHash"),
    "resolv_conf": ours(f"{LINUX}.resolver"),
    "yum_repos": ours(f"{LINUX}.packageRepositories[]"),
    "apt": ours(f"{LINUX}.packageRepositories[]"),
    "power_state": ours("machine.reboot"),
    "phone_home": ours("reporting.url"),
    "final_message": reason("the report in /run/machineadm/status.json says how a run ended"),
    "package_update": reason("the lists are updated before packages are installed"),
    "package_upgrade": reason(
        "machineadm installs the packages that are named; upgrade others when the image is built"
    ),
}
"""Names of a cloud-config that ours do not resemble: people move these by hand, one at a time."""
