"""MA40xx: kubeadm failed. MA41xx: kubeadm or its version does not fit."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA4001": Code(
        "kubeadm failed",
        "kubeadm ended with an error that is not among the well-known ones; its own words stand in the message and, with what"
        " came before, in the report's log tail.",
        "Read kubeadm's own words in the report's log tail, fix the cause, then run again: what the attempt left is cleaned up"
        " first.",
    ),
    "MA4002": Code(
        "kubeadm's preflight checks failed",
        "kubeadm looked at the machine and refused it for several reasons, all listed. Nothing was changed.",
        "Fix every line of the list, or name a check in node.ignorePreflightErrors if you know better; then run again.",
    ),
    "MA4003": Code(
        "a port that Kubernetes needs is in use",
        "A port that the kubelet or a component of the control plane needs is taken (6443, 2379, 2380, 10250, 10257, 10259).",
        "Find the process with `ss -ltnp` and stop it. A machine that was a node before needs `kubeadm reset`.",
    ),
    "MA4004": Code(
        "swap is on and the kubelet does not accept it",
        "The kubelet does not start while swap is on, unless it is told to.",
        "Turn swap off (`swapoff -a`, and out of /etc/fstab), or set node.kubelet.failSwapOn to false.",
    ),
    "MA4005": Code(
        "the container runtime does not answer on its CRI socket",
        "kubeadm found no container runtime, or the one at the CRI socket does not answer. Tried again for a while.",
        "See that the runtime is installed and runs (`systemctl status containerd`), that its CRI plugin is not disabled, and"
        " that node.criSocket is its socket.",
    ),
    "MA4006": Code(
        "there are several container runtimes",
        "More than one CRI socket exists and the configuration does not say which one to use.",
        "Say which one with node.criSocket.",
    ),
    "MA4007": Code(
        "the cluster does not accept the bootstrap token",
        "The cluster does not know the token, it has expired, or it was made without the usage `signing` (discovery) or"
        " `authentication` (the rest). kubeadm waits for a token to become known for the time of timeouts.discovery, so"
        " trying again would not help.",
        "Make a new token on a control plane (`kubeadm token create`, with both usages, signing and authentication), put it into"
        " discovery.token, and run again.",
    ),
    "MA4008": Code(
        "the certificate authority of the API server is not the one that the configuration pins",
        "What answers at the endpoint has a CA that the configuration does not pin: the hash or the CA of the discovery is"
        " wrong, the endpoint leads to another cluster, or somebody stands between.",
        "Compare discovery.caCertHashes (or the certificate authority of the discovery file) with the cluster's"
        " /etc/kubernetes/pki/ca.crt; if that is right, something else answers at this endpoint.",
    ),
    "MA4009": Code(
        "the API server cannot be reached",
        "No answer from the endpoint within kubeadm's own wait. Tried again for a while.",
        "See that discovery.endpoint is right, resolves on this machine, and that no firewall or proxy is in the way.",
    ),
    "MA4010": Code(
        "an image cannot be pulled",
        "The runtime could not pull an image of the control plane. Tried again for a while.",
        "See that the registry can be reached from here (proxy, mirror, credentials), or preload the image.",
    ),
    "MA4011": Code(
        "IP forwarding is off",
        "kubeadm demands it for the families of the cluster's addresses.",
        'Add "net.ipv4.ip_forward": "1" (IPv6: net.ipv6.conf.default.forwarding) to machine.linuxConfiguration.sysctls.',
    ),
    "MA4012": Code(
        "the kubelet does not become healthy",
        "kubeadm started the kubelet and it did not report to be healthy in time. The message and the log tail carry the last"
        " lines of its journal.",
        "Read `journalctl -u kubelet`: often another cgroup driver than the runtime's, swap, or a setting that it refuses.",
    ),
    "MA4013": Code(
        "the control plane does not come up",
        "The kubelet runs, but a component of the control plane did not become healthy in time. The message and the log tail"
        " carry the last lines of the component's own log. A changed configuration starts over: the attempt is reset first,"
        " unless the API server has answered.",
        "Read the logs of the static pods below /var/log/pods/kube-system_*: often an argument, a mounted file that is not"
        " there, or etcd.",
    ),
    "MA4014": Code(
        "the kubelet did not get its client certificate from the cluster",
        "The kubelet asked the cluster for its client certificate and did not get it in time. Tried again for a while.",
        "See `kubectl get csr`: the request must be approved and signed, by kube-controller-manager as a rule.",
    ),
    "MA4015": Code(
        "the etcd cluster does not take this member in",
        "The etcd cluster is not healthy, or the new member did not catch up. Tried again for a while.",
        "See that every member of the cluster is healthy, that none is left of a machine that is gone, and that ports 2379"
        " and 2380 are open between the control planes.",
    ),
    "MA4016": Code(
        "the Secret kubeadm-certs is not in the cluster",
        "The Secret, from which a further control plane takes its certificates, lives for two hours.",
        "Run `kubeadm init phase upload-certs --upload-certs` on a control plane and put the key into role.certificateKey.",
    ),
    "MA4017": Code(
        "role.certificateKey does not open the Secret kubeadm-certs",
        "The certificates were encrypted with another key.",
        "Take the key of the last `kubeadm init phase upload-certs --upload-certs`, or upload again.",
    ),
    "MA4018": Code(
        "files of an earlier kubeadm run, or of another configuration, are in the way",
        "Files that kubeadm is going to write are there, or a directory that it wants empty is not. Nothing was changed.",
        "If the machine is meant to be made again, run `kubeadm reset`; if the configuration writes these files, it must not.",
    ),
    "MA4019": Code(
        "a node of the same name is ready in the cluster",
        "kubeadm does not take over the name of a node that is Ready.",
        "Give this machine another name (node.name, or its host name), or delete the old node: `kubectl delete node NAME`.",
    ),
    "MA4020": Code(
        "this kubeadm does not deploy the wanted Kubernetes version",
        "kubeadm deploys Kubernetes of its own minor version and the one before.",
        "Install kubeadm of the same minor version as spec.kubernetes.version.",
    ),
    "MA4021": Code(
        "kubeadm refuses its configuration",
        "A value got as far as kubeadm and is refused there; it names the field under kubeadm's own names.",
        "Fix the field that kubeadm names; and tell us, for `machineadm validate` should have found it.",
    ),
    "MA4022": Code(
        "a program that Kubernetes needs is missing",
        "kubeadm or the kubelet needs a program that is not on the PATH.",
        "Install the package that brings it: conntrack, util-linux (losetup), mount, coreutils.",
    ),
    "MA4023": Code("kubeadm must run as root", "It does not.", "Run machineadm as root."),
    "MA4024": Code(
        "the machine is too small for a control plane",
        "A control plane needs two CPUs and 1700 MB of memory.",
        "Give it more, or put NumCPU or Mem into node.ignorePreflightErrors.",
    ),
    "MA4025": Code(
        "the cluster cannot take another control plane",
        "The cluster has no stable endpoint, or this machine lacks the certificates that control planes share.",
        "Make the cluster with cluster.controlPlaneEndpoint; give role.certificateKey or controlPlane.certificates.",
    ),
    "MA4026": Code(
        "the kubelet's version does not fit the cluster",
        "The kubelet on this machine is newer than the control plane, or too old for this kubeadm.",
        "Install a kubelet that is not newer than the control plane and at most three minor versions older.",
    ),
    "MA4027": Code(
        "a call to the API server failed in the last phases",
        "The control plane is up, but writing the cluster's own objects failed. kubeadm is resumed, never reset, from here on;"
        " another configuration is refused (MA4041).",
        "See that the API server stays up (`kubectl get --raw '/readyz?verbose'`) and run again.",
    ),
    "MA4028": Code(
        "kubeadm was killed",
        "kubeadm ended by a signal that machineadm did not send.",
        "Look into the kernel's log for the out-of-memory killer; otherwise somebody sent it a signal.",
    ),
    "MA4029": Code(
        "the external etcd cluster cannot be used",
        "It does not answer, refuses the certificates, or is of a version that kubeadm does not support.",
        "Ask cluster.etcd.external.endpoints with the same files: `curl --cacert ... --cert ... --key ... ENDPOINT/version`.",
    ),
    "MA4030": Code(
        "the operating system lacks what Kubernetes needs",
        "kubeadm's system verification found kernel options or cgroup controllers missing; it lists them above its error.",
        "Use a kernel that has them, or name SystemVerification in node.ignorePreflightErrors if you know better.",
    ),
    "MA4031": Code(
        "the cluster was not found in time",
        "kubeadm's wait for the cluster ended in the middle of an attempt, and it does not say what the attempts before met:"
        " no answer, or a cluster that does not know the token. Tried again for a while.",
        "See that discovery.endpoint answers from this machine and that the token is valid; `verbosity: 1` shows each attempt.",
    ),
    "MA4032": Code(
        "this machine's clock is behind: a certificate is not valid yet",
        "A certificate is refused because its time begins later than this machine's clock says. As a rule the clock has not been"
        " set yet; it may be set by NTP at any moment, so this is tried again for a while. Both times stand in the message.",
        "See that the clock is set (`timedatectl`, `chronyc tracking`) before kubeadm runs; if it is right, the certificate was"
        " made on a machine whose clock is ahead.",
    ),
    "MA4033": Code(
        "a certificate has expired, or this machine's clock is ahead",
        "A certificate is refused because its time has passed by this machine's clock. Trying again would not help.",
        "Compare both times in the message with the real time: set the clock (`timedatectl`), or renew the certificate"
        " (`kubeadm certs renew` on a control plane).",
    ),
    "MA4034": Code(
        "an image does not exist",
        "The registry answers, and says that it has no such image. Tried three times, for an image may be on its way there.",
        "See that cluster.imageRepository and version name an image that exists in this registry, or copy it there.",
    ),
    "MA4035": Code(
        "files that the cluster's API server is started with are not on this machine",
        "Every API server of a cluster is started with the same arguments and mounts, and these name files that this machine"
        " does not have. kubeadm was stopped before this machine joined etcd.",
        "Give this machine the same files as the first control plane: the fields that the message names, or machine.files.",
    ),
    "MA4040": Code(
        "machine is a node already",
        "/etc/kubernetes/kubelet.conf is there, and machineadm has no record of having made this node. Nothing was changed.",
        "Replace the machine, or run `kubeadm reset` if it is meant to be made again.",
    ),
    "MA4041": Code(
        "node of another configuration",
        "machineadm made, or began to make, this machine a node by a kubernetes part that differs from the given one, and it"
        " has joined. kubeadm is not run twice, so the change would not come into force.",
        "Undo the change. To make it, replace the machine.",
    ),
    "MA4042": Code(
        "unfinished work could not be removed",
        "`kubeadm reset` failed on what a killed or failed kubeadm had left.",
        "Mend what it names (the container runtime must answer), then run again.",
    ),
    "MA4043": Code(
        "unfinished work was removed late",
        "What an earlier kubeadm left was reset in the middle of a run, which took files of earlier steps with it.",
        "Nothing, if the run went on: the steps were repeated. Otherwise run again.",
    ),
    "MA4044": Code(
        "the node was reset",
        "machineadm made this machine a node, and somebody has taken that back since: kubelet.conf is gone. It is "
        "neither called a success nor made again unasked. Nothing was changed.",
        "Replace the machine. To make it a node again run `kubeadm reset`, remove the state directory, then run again.",
    ),
    "MA4045": Code(
        "somebody else was here since",
        "machineadm began to make this machine a node and did not finish. Since then a person or another tool has made, replaced"
        " or restored what kubeadm writes: the kernel's own times of the files say so. (After an update from a build that kept no"
        " times, nothing says that they are machineadm's.) It may be a live node, so it is neither finished nor reset, by no"
        " run and after no boot. Nothing was changed.",
        "If the machine is a node now, leave it, and `systemctl disable machineadm-resume`. To make it again, run"
        " `kubeadm reset` by hand, then run again.",
    ),
    "MA4046": Code(
        "a reset would take too much",
        "A kubeadm that machineadm started did not finish and must be reset, but `kubeadm reset` would also remove what was"
        " there before, or what came later: etcd's data, keys, kubeconfigs or static pods that neither this kubeadm nor the"
        " configuration has made. Nothing was changed.",
        "Save what is needed, run `kubeadm reset` by hand, put it back where it is needed, then run again.",
    ),
    "MA4101": Code(
        "no kubeadm",
        "kubeadm is not on the machine; at plan time: and neither files nor commands of the configuration can bring it.",
        "Put it into the image, or install it by files or a command before kubeadm.",
    ),
    "MA4102": Code(
        "kubeadm's version does not fit",
        "A control plane wants kubeadm of its own minor version or the next one; a worker of one up to three newer.",
        "Install the right kubeadm, or change spec.kubernetes.version.",
    ),
    "MA4103": Code(
        "kubeadm's API cannot say it",
        "The configuration asks for something that the kubeadm API of Kubernetes 1.29 and 1.30 has no word for.",
        "Leave it out, or use Kubernetes 1.31 or later.",
    ),
    "MA4104": Code(
        "bootstrap token is past",
        "A token that the first control plane is to make has `expires` in the past.",
        "Give a later time, a ttl, or neither.",
    ),
}
