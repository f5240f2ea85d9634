"""Rules between fields, versions of Kubernetes, and what this release does not build."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1301": Code(
        "fields that exclude each other",
        "Two fields of one object set the same thing, or one disables what the other needs.",
        "Keep one of them.",
    ),
    "MA1302": Code(
        "one of several fields is missing",
        "An object needs exactly one of several fields and has none of them.",
        "Set one of the fields that the message names.",
    ),
    "MA1303": Code(
        "a field is missing here",
        "The field is optional elsewhere, but the role, another field or the place of the "
        "document requires it.",
        "Add the field, or change what requires it.",
    ),
    "MA1304": Code(
        "a field of another role",
        "The field is for machines of another role. It would have no effect here.",
        "Remove the field, or check that spec.kubernetes.role is right.",
    ),
    "MA1306": Code(
        "declared twice",
        "Two entries are about the same thing: a file below a file, a kernel parameter in two "
        "spellings, a repeated taint or name.",
        "Remove or rename one of them.",
    ),
    "MA1308": Code(
        "not yet rendered by the manager",
        "A MachineConfiguration has a reference to a Secret or a ConfigMap, or a template. The "
        "manager resolves these; a machine cannot.",
        "Have the manager render the MachineBootstrap, or write the value itself.",
    ),
    "MA1310": Code(
        "needs another version of Kubernetes",
        "kubeadm, or the component, does not have this field in the requested "
        "version. machineadm never drops a field silently.",
        "Remove the field, or use a version that has it.",
    ),
    "MA1311": Code(
        "this version of Kubernetes is not supported",
        "This release knows Kubernetes 1.29 to 1.37; `machineadm version` prints the range.",
        "Use a version in the range, or a later release. allowUnknownVersion accepts a newer version, without checking "
        "what it supports.",
    ),
    "MA1312": Code(
        "out of range together with another field",
        "A number or duration is valid by itself, but not together with another field, or "
        "not for this use.",
        "Change one of the two.",
    ),
    "MA1313": Code(
        "not the expected object",
        "A Kubernetes object that is passed through has the wrong apiVersion or kind for its "
        "field, or lacks a field that its reader requires.",
        "Fix the object; the message says what is expected.",
    ),
    "MA1314": Code(
        "a label that a kubelet must not set",
        "Labels in kubernetes.io and k8s.io belong to the cluster. Except for a few, a kubelet that is "
        "configured to set one on its node does not start.",
        "Label the node with kubectl or a controller, or use your own label domain.",
    ),
    "MA1315": Code(
        "kubeadm does not know the name",
        "A phase or feature gate does not exist in kubeadm of the requested version. It would "
        "refuse to start.",
        "See the suggestion, or `kubeadm init --help` and `kubeadm join --help`.",
    ),
    "MA1316": Code(
        "address ranges that do not work",
        "Pod and service ranges overlap, two are of the same family, or have a size that kubeadm "
        "refuses.",
        "Use one IPv4 range, one IPv6 range or one of each; for IPv4, services /12 to /28, pods /8 to /24.",
    ),
    "MA1320": Code(
        "a setting in two places",
        "A passed-through object or a component's argument sets something that also has a field.",
        "Keep the field and remove the other.",
    ),
    "MA1321": Code(
        "the cluster is not pinned",
        "A machine that joins by token must know the hash of the cluster's CA. With the token alone, "
        "anyone who knows it can pose as the cluster.",
        "Add caCertHashes, or accept the risk with unsafeSkipCAVerification: true.",
    ),
    "MA1322": Code(
        "not an address that works here",
        "A host, endpoint, URL or socket is well-formed, but not the way kubeadm or its reader needs "
        "it: the port is missing, letters are in upper case, the scheme is wrong.",
        "Fix it; the message says what is expected.",
    ),
    "MA1323": Code(
        "values that contradict each other",
        "A value is valid by itself, but together with another one it would have no effect, or "
        "not the effect it states.",
        "Change or remove one of the two.",
    ),
    "MA1324": Code(
        "unknown field or wrong type in a document that is passed on",
        "A document for the kubelet, kube-proxy or the API server has a field that its reader of this version of Kubernetes does not "
        "know, or a value that the field cannot have. The reader would refuse to start, or ignore the field and only log it.",
        "Use the suggestion, or look the field up in Kubernetes' reference. docs/verdict.md says what is judged.",
    ),
    "MA1440": Code(
        "the component would refuse it",
        "A document that is passed on has the right fields, but its reader validates it at start and would refuse this value: "
        "the API server or the kubelet would not come up.",
        "Fix the value; the message says what its reader expects. docs/verdict.md lists the rules.",
    ),
    "MA1445": Code(
        "deprecated in this version of Kubernetes (warning)",
        "The component of this version still accepts the setting and logs that it is deprecated; a later version will refuse it.",
        "Change to what the hint names before the next upgrade.",
    ),
    "MA1444": Code(
        "a Kubernetes that is newer than this release knows (warning)",
        "allowUnknownVersion accepts a Kubernetes whose fields, arguments, feature gates, phases and admission plugins "
        "this release does not know. Mistakes in them show only when kubeadm or a component refuses to start.",
        "Use a release of machineadm that knows the version as soon as there is one.",
    ),
    "MA1446": Code(
        "an expression that the API server does not compile (warning)",
        "An expression (CEL) of an authentication or authorization configuration is not one, names what is not there, or gives a value "
        "of another type than it must. The API server would not start. It is judged only where crdlint is installed, which is not in the "
        "agent.",
        "Fix the expression. docs/verdict.md says which names there are.",
    ),
    "MA1441": Code(
        "argument that the component does not have",
        "In this version of Kubernetes, the component has no such command-line argument. It would print its usage and exit.",
        "Use the suggestion, use the field that the hint names, or remove the argument.",
    ),
    "MA1443": Code(
        "admission plugin that the API server does not have",
        "An admission plugin is turned on or off that the API server does not have in this version of Kubernetes. It would not start.",
        "Use the suggestion, or remove the name.",
    ),
    "MA1442": Code(
        "feature gate that the component does not have",
        "In this version of Kubernetes, the component does not know the feature gate, or its value is locked. The "
        "component would not start.",
        "Use the suggestion, remove the gate, or ask for a version that has it.",
    ),
    "MA1411": Code(
        "a placeholder that nothing will fill in (warning)",
        "A string has a placeholder of cloud-init, Afterburn, Helm, Terraform or another templater. machineadm does not "
        "fill them in, so "
        "the machine would get it unchanged: a node with `{{ ds.meta_data.instance_id }}` in its provider id can never change it.",
        "Fill it in before the configuration reaches the machine. What only the machine knows is instance data: "
        "nameFrom, contentFrom and others "
        "take `instanceData: $(v1.local_hostname)` (docs/instance-data.md). If the text is "
        "meant literally, ignore the warning; `validate --strict` refuses it.",
    ),
    "MA1412": Code(
        "an argument value that the kubelet would refuse",
        "A kubelet argument sets what a field of node is for, with a value that the field would not accept. The kubelet "
        "would not start, "
        "or register a node that cannot be fixed.",
        "Use the field that the hint names, or write the value in the form of that field.",
    ),
    "MA1413": Code(
        "a path or a setting of another platform",
        "A Linux configuration (no windowsConfiguration) has a Windows path, or a Windows path has an owner or a mode.",
        "Use paths of the machine's own system; on Windows leave owner and permissions out.",
    ),
    "MA1330": Code(
        "a plugin of another kind (warning)",
        "A name is declared in machine.plugins, but for another kind than the one needed here. If the machine itself has no plugin "
        "of that name and kind, the run will end with MA7226 before anything is touched.",
        "Add an entry of that name and kind to machine.plugins, or install the plugin on the machine.",
    ),
    "MA1430": Code(
        "a mount that a component's pod cannot have",
        "Two mounts of kubeadm's, of machineadm's or of extraVolumes share a path, one is at / or in /proc, a volume "
        "replaces one that the component needs to start, or an argument names a file that no mount brings into "
        "the pod. The kubelet would refuse the pod, and say so only in its log.",
        "Move or rename the one that the message names. It is a warning where kubeadm mounts a directory only on "
        "machines that have it.",
    ),
    "MA1431": Code(
        "a variable that a static pod cannot have",
        "A variable of a component takes its value from an object of the API server, from a field or a resource that "
        "does not exist, or with a divisor that Kubernetes refuses. The kubelet would refuse the pod.",
        "Give the value itself, or one of the fields that the message lists.",
    ),
    "MA1432": Code(
        "a patch that kubeadm cannot apply",
        "An inline patch is not what its type says, does not fit the manifest it is for, or leaves one that the kubelet "
        "refuses. kubeadm would fail after creating certificates, or the component would never start.",
        "The message says which part is at fault. `kubeadm init phase control-plane all --dry-run --patches DIR` shows "
        "manifests to patch.",
    ),
    "MA1401": Code(
        "not built in this release",
        "The field exists, but this release does not implement it yet. Nothing was changed.",
        "Leave it out, do it with files and commands, or use a later release.",
    ),
}
