"""MA40xx: kubeadm failed. MA41xx: kubeadm or its version does not fit."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA4001": Code(
        "kubeadm failed",
        "kubeadm failed with an error that machineadm does not know. The message quotes it; the report's log tail"
        " also has the lines before it.",
        "Read kubeadm's output in the report's log tail, fix the cause, then run again: what the attempt left is cleaned up"
        " first.",
    ),
    "MA4002": Code(
        "kubeadm's preflight checks failed",
        "kubeadm checked the machine and refused it for several reasons, all listed. Nothing was changed.",
        "Fix every line of the list, or name checks to skip in node.ignorePreflightErrors; then run again.",
    ),
    "MA4003": Code(
        "a port that Kubernetes needs is in use",
        "A port that the kubelet or a control plane component needs is in use (6443, 2379, 2380, 10250, 10257, 10259).",
        "Find the process with `ss -ltnp` and stop it. On a machine that was a node before, run `machineadm reset`.",
    ),
    "MA4004": Code(
        "swap is on and the kubelet does not accept it",
        "The kubelet does not start while swap is on, unless configured to.",
        "Turn swap off (`swapoff -a`, and out of /etc/fstab), or set node.kubelet.failSwapOn to false.",
    ),
    "MA4005": Code(
        "the container runtime does not answer on its CRI socket",
        "kubeadm found no container runtime, or the one at the CRI socket does not answer. Retried for a while.",
        "Check that the runtime is installed and running (`systemctl status containerd`), that its CRI plugin is not disabled,"
        " and that node.criSocket is its socket.",
    ),
    "MA4006": Code(
        "there are several container runtimes",
        "More than one CRI socket exists and the configuration does not say which one to use.",
        "Say which one with node.criSocket.",
    ),
    "MA4007": Code(
        "the cluster does not accept the bootstrap token",
        "The cluster does not know the token, it has expired, or it lacks the usage `signing` (discovery) or"
        " `authentication` (the rest). kubeadm itself waits for a token for timeouts.discovery, so"
        " retrying would not help.",
        "Make a new token on a control plane (`kubeadm token create`, with both usages, signing and authentication), put it into"
        " discovery.token, and run again.",
    ),
    "MA4008": Code(
        "the API server's certificate authority is not the one that the configuration pins",
        "The server at the endpoint has a CA that the configuration does not pin: the hash or CA in discovery is"
        " wrong, the endpoint belongs to another cluster, or an attacker is on the path.",
        "Compare discovery.caCertHashes (or the certificate authority of the discovery file) with the cluster's"
        " /etc/kubernetes/pki/ca.crt; if they agree, something else answers at this endpoint.",
    ),
    "MA4009": Code(
        "the API server cannot be reached",
        "The endpoint did not answer within kubeadm's own timeout. Retried for a while.",
        "Check that discovery.endpoint is right and resolves on this machine, and that no firewall or proxy is in the way.",
    ),
    "MA4010": Code(
        "an image cannot be pulled",
        "The runtime could not pull a control plane image. Retried for a while.",
        "Check that this machine can reach the registry (proxy, mirror, credentials), or preload the image.",
    ),
    "MA4011": Code(
        "IP forwarding is off",
        "kubeadm requires it for the address families of the cluster.",
        'Add "net.ipv4.ip_forward": "1" (IPv6: net.ipv6.conf.default.forwarding) to machine.linuxConfiguration.sysctls.',
    ),
    "MA4012": Code(
        "the kubelet does not become healthy",
        "kubeadm started the kubelet, which did not become healthy in time. The message and the log tail have the last"
        " lines of its journal.",
        "Read `journalctl -u kubelet`: often it is a cgroup driver other than the runtime's, swap, or an invalid setting.",
    ),
    "MA4013": Code(
        "the control plane does not come up",
        "The kubelet runs, but a control plane component did not become healthy in time. The message and the log tail"
        " have the last lines of the component's log. A changed configuration starts over: the attempt is reset first,"
        " unless the API server has answered.",
        "Read the logs of the static pods below /var/log/pods/kube-system_*: often it is an argument, a mounted file that"
        " does not exist, or etcd.",
    ),
    "MA4014": Code(
        "the kubelet did not get its client certificate from the cluster",
        "The kubelet asked the cluster for its client certificate and did not get it in time. Retried for a while.",
        "Check `kubectl get csr`: the request must be approved and signed, usually by kube-controller-manager.",
    ),
    "MA4015": Code(
        "the etcd cluster does not accept this member",
        "The etcd cluster is not healthy, or the new member did not catch up. Retried for a while.",
        "Check that every member is healthy, that no member is left from a machine that is gone, and that ports 2379"
        " and 2380 are open between the control planes.",
    ),
    "MA4016": Code(
        "the Secret kubeadm-certs is not in the cluster",
        "The Secret, from which another control plane gets its certificates, expires after two hours.",
        "Run `kubeadm init phase upload-certs --upload-certs` on a control plane and put the key into role.certificateKey.",
    ),
    "MA4017": Code(
        "role.certificateKey does not open the Secret kubeadm-certs",
        "The certificates were encrypted with another key.",
        "Use the key of the last `kubeadm init phase upload-certs --upload-certs`, or upload again.",
    ),
    "MA4018": Code(
        "files of an earlier kubeadm run, or of another configuration, are in the way",
        "Files that kubeadm would write exist already, or a directory that must be empty is not. Nothing was changed.",
        "To set the machine up again, run `machineadm reset`, which asks before it takes what others made; if the configuration"
        " writes these files, remove them there.",
    ),
    "MA4019": Code(
        "a node of the same name is ready in the cluster",
        "kubeadm does not reuse the name of a node that is Ready.",
        "Give this machine another name (node.name, or its host name), or delete the old node: `kubectl delete node NAME`.",
    ),
    "MA4020": Code(
        "this kubeadm does not deploy the requested Kubernetes version",
        "kubeadm deploys its own minor version of Kubernetes and the one before.",
        "Install kubeadm of the same minor version as spec.kubernetes.version.",
    ),
    "MA4021": Code(
        "kubeadm refuses its configuration",
        "kubeadm refused a value that machineadm had passed on; it uses its own names for the fields.",
        "Fix the field that kubeadm names, and please report it: `machineadm validate` should have found it.",
    ),
    "MA4022": Code(
        "a program that Kubernetes needs is missing",
        "kubeadm or the kubelet needs a program that is not in the PATH.",
        "Install the package that brings it: conntrack, util-linux (losetup), mount, coreutils.",
    ),
    "MA4023": Code(
        "kubeadm must run as root", "kubeadm was not started as root.", "Run machineadm as root."
    ),
    "MA4024": Code(
        "the machine is too small for a control plane",
        "A control plane needs two CPUs and 1700 MB of memory.",
        "Use a larger machine, or put NumCPU or Mem into node.ignorePreflightErrors.",
    ),
    "MA4025": Code(
        "the cluster cannot take another control plane",
        "The cluster has no stable endpoint, or this machine lacks the certificates that control planes share.",
        "Create the cluster with cluster.controlPlaneEndpoint; set role.certificateKey or controlPlane.certificates.",
    ),
    "MA4026": Code(
        "the kubelet's version does not fit the cluster",
        "The kubelet on this machine is newer than the control plane, or too old for this kubeadm.",
        "Install a kubelet that is not newer than the control plane and at most three minor versions older.",
    ),
    "MA4027": Code(
        "a call to the API server failed in the last phases",
        "The control plane is up, but writing the cluster's own objects failed. From here on kubeadm is resumed, never reset;"
        " another configuration is refused (MA4041).",
        "Check that the API server stays up (`kubectl get --raw '/readyz?verbose'`) and run again.",
    ),
    "MA4028": Code(
        "kubeadm was killed",
        "kubeadm ended by a signal that machineadm did not send.",
        "Check the kernel log for the out-of-memory killer; otherwise somebody sent the signal.",
    ),
    "MA4029": Code(
        "the external etcd cluster cannot be used",
        "It does not answer, refuses the certificates, or has a version that kubeadm does not support.",
        "Query cluster.etcd.external.endpoints with the same files: `curl --cacert ... --cert ... --key ... ENDPOINT/version`.",
    ),
    "MA4030": Code(
        "the operating system lacks what Kubernetes needs",
        "kubeadm's system verification found missing kernel options or cgroup controllers; it lists them above its error.",
        "Use a kernel that has them, or skip the check by naming SystemVerification in node.ignorePreflightErrors.",
    ),
    "MA4031": Code(
        "the cluster was not found in time",
        "kubeadm timed out during an attempt, and does not say why the earlier attempts failed:"
        " no answer, or a cluster that does not know the token. Retried for a while.",
        "Check that discovery.endpoint answers from this machine and that the token is valid; `verbosity: 1` shows each attempt.",
    ),
    "MA4032": Code(
        "this machine's clock is behind: a certificate is not valid yet",
        "A certificate is refused because it becomes valid later than this machine's clock says. Usually the clock has not been"
        " set yet; NTP may set it at any moment, so this is retried for a while. The message has both times.",
        "Make sure that the clock is set (`timedatectl`, `chronyc tracking`) before kubeadm runs; if it is right, the"
        " certificate was made on a machine whose clock is ahead.",
    ),
    "MA4033": Code(
        "a certificate has expired, or this machine's clock is ahead",
        "By this machine's clock the certificate has expired. Retrying would not help.",
        "Compare both times in the message with the real time. Set the clock (`timedatectl`), or renew the certificate"
        " (`kubeadm certs renew` on a control plane).",
    ),
    "MA4034": Code(
        "an image does not exist",
        "The registry says that it has no such image. Tried three times, because the image may still be on its way there.",
        "Check that cluster.imageRepository and version name an image that exists in this registry, or copy it there.",
    ),
    "MA4035": Code(
        "files that the cluster's API server needs are not on this machine",
        "Every API server of a cluster has the same arguments and mounts, and they name files that this machine"
        " does not have. kubeadm was stopped before this machine joined etcd.",
        "Give this machine the same files as the first control plane: the fields that the message names, or machine.files.",
    ),
    "MA4040": Code(
        "the machine is already a node",
        "/etc/kubernetes/kubelet.conf exists, and machineadm has no record of making this node. Nothing was changed.",
        "Replace the machine, or run `machineadm reset`, which asks first, to set it up again.",
    ),
    "MA4041": Code(
        "node of another configuration",
        "This machine has joined the cluster with a kubernetes section that differs from the given one. kubeadm is not run"
        " twice, so the change would have no effect.",
        "Undo the change. To make it, replace the machine, or run `machineadm reset` and then again.",
    ),
    "MA4042": Code(
        "an unfinished kubeadm run could not be reset",
        "`kubeadm reset` failed on what a killed or failed kubeadm had left.",
        "Fix what it names (the container runtime must answer), then run again.",
    ),
    "MA4043": Code(
        "an unfinished kubeadm run was reset late",
        "What an earlier kubeadm left was reset in the middle of a run, which also removed files of earlier steps.",
        "If the run continued, nothing: the steps were repeated. Otherwise run again.",
    ),
    "MA4044": Code(
        "the node was reset",
        "machineadm made this machine a node, and somebody has reset it since: kubelet.conf is gone. machineadm "
        "does not report success, and does not set the node up again unasked. Nothing was changed.",
        "Replace the machine. To make it a node again run `machineadm reset`, then run again.",
    ),
    "MA4045": Code(
        "somebody else changed this machine since",
        "machineadm began to make this machine a node and did not finish. Since then a person or another tool has created, replaced"
        " or restored files that kubeadm writes, by the change times that the kernel keeps. (After an update from a "
        "build that recorded no"
        " times, nothing shows that they are machineadm's.) It may be a live node, so no run finishes or resets it, not even"
        " after a reboot. Nothing was changed.",
        "If the machine is a node now, leave it, and run `systemctl disable machineadm-resume`. To set it up again, run"
        " `machineadm reset`, which asks first, then run again.",
    ),
    "MA4046": Code(
        "a reset would remove too much",
        "A kubeadm that machineadm started did not finish and must be reset, but `kubeadm reset` would also remove what was"
        " there before, or was added later: etcd's data, keys, kubeconfigs or static pods that neither this kubeadm nor the"
        " configuration created. Nothing was changed.",
        "Back up what you need, run `machineadm reset`, which asks first, restore it, then run again.",
    ),
    "MA4047": Code(
        "a command has changed the copy of kubeadm's file",
        "`commands.kubeadmFile` is a copy of what kubeadm is given, for commands to read. kubeadm does not read it, so what a command changed there would "
        "be lost. kubeadm was not run. The same commands are refused again, also after a reboot.",
        "Use the fields that the hint names, such as `node.nameFrom` or `node.extraArgs[].valueFrom` with instanceData, take the change out of the command, and run "
        "again.",
    ),
    "MA4101": Code(
        "no kubeadm",
        "kubeadm is not on the machine, and (at plan time) no file or command of the configuration could install it.",
        "Put it into the image, or install it with files or a command before kubeadm runs.",
    ),
    "MA4102": Code(
        "kubeadm's version does not fit",
        "A control plane needs kubeadm of its own minor version or the next; a worker takes up to three minor versions newer.",
        "Install the right kubeadm, or change spec.kubernetes.version.",
    ),
    "MA4103": Code(
        "kubeadm's API cannot express this",
        "The configuration asks for something that the kubeadm API of Kubernetes 1.29 and 1.30 cannot express.",
        "Leave it out, or use Kubernetes 1.31 or later.",
    ),
    "MA4104": Code(
        "bootstrap token has expired",
        "A token that the first control plane would create has `expires` in the past.",
        "Set a later time, a ttl, or neither.",
    ),
}
