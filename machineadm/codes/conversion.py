"""MA21xx: what `machineadm convert` refuses."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA2101": Code(
        "a version of a kind that is not known here",
        "The document is of a kind that can be converted, but of a version of its API that this release does not know.",
        "Convert it to a known version first: Cluster API's v1beta1 or v1beta2, kubeadm's v1beta2 to v1beta4 "
        "(`kubeadm config migrate`).",
    ),
    "MA2102": Code(
        "a document without its spec",
        "The part of the document that says what is on the machine is missing or null.",
        "Add it, or remove the document from the stream.",
    ),
    "MA2103": Code(
        "the role is not clear",
        "A MachineConfiguration is for one machine, and the document is for a first and for joining machines alike.",
        "Say which one by `--role`, and for joining machines how they find the cluster by `--discovery FILE`.",
    ),
    "MA2104": Code(
        "nothing to convert",
        "No document of the stream is of a kind that can be converted.",
        "Give `convert` the KubeadmConfig, KubeadmConfigTemplate, KubeadmControlPlane, kubeadm configuration or NodeConfig.",
    ),
    "MA2105": Code(
        "a file of values or of a discovery that is not a map",
        "The file of `--values` or `--discovery` is not one map in YAML, nor, for values, lines of NAME=value.",
        "Fix the file. `--values` takes the .env file that clusterctl is given, or a map.",
    ),
}
