"""Rules between fields, versions of Kubernetes, and what this release does not build."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1301": Code(
        "fields that exclude each other",
        "Two fields of one object are set, and each says by itself what the other says, or turns off "
        "what the other needs.",
        "Keep one of them.",
    ),
    "MA1302": Code(
        "one of several fields is missing",
        "An object needs exactly one of some fields and has none of them.",
        "Set one of the fields that the message names.",
    ),
    "MA1303": Code(
        "a field is missing here",
        "The field may be absent elsewhere, but what is given with it, the role or the place of the "
        "document asks for it.",
        "Add the field, or change what asks for it.",
    ),
    "MA1304": Code(
        "a field that does not go with the role",
        "What the field says concerns machines of another role. Nothing would come of it here.",
        "Remove the field, or look whether spec.kubernetes.role is the right one.",
    ),
    "MA1306": Code(
        "said twice",
        "Two entries are about the same thing: a file below a file, a kernel parameter in two "
        "spellings, a taint or a name that comes again.",
        "Remove or rename one of them.",
    ),
    "MA1308": Code(
        "work of the manager's that is left",
        "A reference to a Secret or a ConfigMap, or a template, stands in a MachineConfiguration. The "
        "manager resolves these; a machine cannot.",
        "Let the manager render the MachineBootstrap, or put the value itself in its place.",
    ),
    "MA1310": Code(
        "needs another version of Kubernetes",
        "The field is known, but kubeadm or the component of the version that the machine asks for "
        "has no word for it. It is never dropped without a word.",
        "Remove the field, or ask for a version that has it.",
    ),
    "MA1311": Code(
        "this version of Kubernetes is not supported",
        "This release renders kubeadm's configuration for Kubernetes 1.29 and later 1.x.",
        "Ask for a later version.",
    ),
    "MA1312": Code(
        "out of range together with another field",
        "A number or a length of time is possible by itself, but not together with another one, or "
        "not for what it is used for.",
        "Change one of the two.",
    ),
    "MA1313": Code(
        "not the document it must be",
        "An object of Kubernetes' own, which is passed on, has another apiVersion or kind than its "
        "place asks for, or lacks what its reader refuses to be without.",
        "Fix the object; the message says what is wanted.",
    ),
    "MA1314": Code(
        "a label that a kubelet may not set",
        "Labels in kubernetes.io and k8s.io belong to the cluster. A kubelet does not start when it is "
        "told to give its node one of them, but for a few.",
        "Label the node with kubectl or a controller, or use a label in a domain of your own.",
    ),
    "MA1315": Code(
        "kubeadm does not know the name",
        "A phase or a feature gate that kubeadm of the version asked for does not have. It would "
        "refuse to start.",
        "Look at the suggestion, or at `kubeadm init --help` and `kubeadm join --help`.",
    ),
    "MA1316": Code(
        "address ranges that do not work",
        "Ranges of pods and services overlap, are of one family twice, or have a size that kubeadm "
        "refuses.",
        "One range of IPv4, one of IPv6 or one of each; services /12 to /28, pods /8 to /24 with IPv4.",
    ),
    "MA1320": Code(
        "a setting with two places",
        "A passed-on object or a component's argument sets what a field of ours sets, too.",
        "Keep the field and remove the other.",
    ),
    "MA1321": Code(
        "the cluster is not pinned",
        "A machine that joins by token has to know the cluster's CA by a hash. The token alone lets "
        "anyone who knows it pose as the cluster.",
        "Add caCertHashes, or say unsafeSkipCAVerification: true and mean it.",
    ),
    "MA1322": Code(
        "not an address that works here",
        "A host, an endpoint, a URL or a socket is well-formed, but not as kubeadm or its reader needs "
        "it: a port is missing, letters are in upper case, the scheme is another one.",
        "Fix it; the message says what is wanted.",
    ),
    "MA1323": Code(
        "makes no sense together",
        "A value is possible by itself, but with what is given with it, it would have no effect or "
        "another one than it says.",
        "Change or remove one of the two.",
    ),
    "MA1324": Code(
        "no field of the kubelet's, or a value of another kind",
        "A KubeletConfiguration that is passed on has a field that no supported kubelet has, or a value that its "
        "field cannot have. A kubelet would go on without the field, and only its log would tell.",
        "Take the suggestion, or look the field up in Kubernetes' reference (KubeletConfiguration, v1beta1). Of "
        "versions of Kubernetes that are newer than this release nothing is said.",
    ),
    "MA1411": Code(
        "a placeholder that nothing fills in (warning)",
        "A text has a placeholder of cloud-init, Afterburn, Helm, Terraform or another templater. machineadm fills in none of them, so "
        "the machine would get it as it stands: a node with `{{ ds.meta_data.instance_id }}` in its provider id keeps it for good.",
        "Fill it in before the configuration reaches the machine, or read the value there: in a command of commands.preKubeadm. If the text is "
        "meant as it stands, for a reader on the machine, ignore the warning; `validate --strict` refuses it.",
    ),
    "MA1412": Code(
        "an argument with a value that its reader refuses",
        "An argument of the kubelet says what a field of node says otherwise, and its value is not what that field takes. The kubelet would not start, "
        "or register a node that cannot be fixed.",
        "Better use the field that the hint names; else write the value as the field wants it.",
    ),
    "MA1413": Code(
        "a path or a setting of another platform",
        "A path of Windows stands in a configuration for Linux (no windowsConfiguration), or an owner or a mode beside a path of Windows.",
        "Use paths of the machine's own system; on Windows leave owner and permissions out.",
    ),
    "MA1401": Code(
        "not built in this release",
        "The type has the field, but this release does not carry it out yet. Nothing was touched.",
        "Leave it out, do it with files and commands, or use a later release.",
    ),
}
