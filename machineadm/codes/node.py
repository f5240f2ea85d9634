"""What `check node`, `check os` and `check compliance` find."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA4601": Code(
        "the machine is not what its configuration says (node)",
        "A run of bootstrap with this configuration would change something: what it would do is shown as `plan` shows it. The machine was changed, "
        "or the configuration was.",
        "Run bootstrap again to put it right, or change the configuration.",
    ),
    "MA4602": Code(
        "no run of bootstrap, or one that failed (node)",
        "The last run on this machine failed, or none ever ran.",
        "`machineadm status` shows the report of the last run. Fix the cause, and run bootstrap again.",
    ),
    "MA4603": Code(
        "the container runtime does not answer (node)",
        "No runtime answers Kubernetes at the socket of this node: no pod can start.",
        "`systemctl status containerd` and `journalctl -u containerd` say why.",
    ),
    "MA4604": Code(
        "the kubelet does not run (node)",
        "The unit kubelet.service is not active: the node is not ready, or will soon not be.",
        "`journalctl -u kubelet.service` says why.",
    ),
    "MA4605": Code(
        "the kubelet does not start at the next boot (node, a warning)",
        "The unit kubelet.service is not enabled.",
        "`systemctl enable kubelet.service`.",
    ),
    "MA4606": Code(
        "a certificate has expired, or will soon (node)",
        "A certificate of this node has expired (an error), or does within thirty days (a warning).",
        "`kubeadm certs renew all` renews those that kubeadm made. A kubelet renews its own while it reaches the API server.",
    ),
    "MA4607": Code(
        "not everything could be looked at (node, a warning)",
        "An ordinary user cannot read files of root's, and cannot ask the container runtime.",
        "Run the check as root.",
    ),
    "MA4608": Code(
        "not everything could be compared (node, a warning)",
        "A provider or auth handler has a value that the configuration does not, and a check asks no plugin: a token may be issued for it, "
        "and counted.",
        "`machineadm bootstrap` asks it, and puts right what differs.",
    ),
    "MA4621": Code(
        "a part of the contract that every configuration needs does not hold (os)",
        "The agent needs this of every operating system.",
        "docs/os-contract.md says what the system has to provide.",
    ),
    "MA4622": Code(
        "a part of the contract that some configurations need does not hold (os, a warning)",
        "Configurations that use the named fields fail on this system; all others do not need it.",
        "Have the image bring it, or leave these fields out.",
    ),
    "MA4631": Code(
        "a scored control of the catalogue fails (compliance)",
        "The machine does not have what the control asks for. The message has its number, where it was looked for, and what was found.",
        "Set it where the hint says, or name an exception with its reason: `--except ID=REASON`.",
    ),
    "MA4632": Code(
        "a control fails that is not scored (compliance, a warning)",
        "The catalogue leaves this control to the judgement of people. By its test it does not hold.",
        "Set it where the hint says, or decide that it need not hold.",
    ),
    "MA4633": Code(
        "a control cannot be judged, since what would show it cannot be read (compliance)",
        "A static pod, or the kubelet's configuration or list of arguments, is not what its reader takes, or an ordinary user must not read it, "
        "so nothing can be said of the controls that it would show. All others are judged.",
        "Run the check as root; if that is not it, look at the file: its own reader would refuse it, too.",
    ),
}
