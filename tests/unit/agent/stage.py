"""A fake machine on which the whole pipeline runs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from machineadm.agent.bootstrap import bootstrap
from machineadm.agent.own_file import AgentFile
from machineadm.agent.request import Request
from machineadm.agent.wiring import Machine
from machineadm.api.v1alpha1.status import BootstrapStatus
from machineadm.config.model import Mode
from machineadm.execution.events import Event
from machineadm.host.ports import CommandResult
from machineadm.redaction import Redactor
from machineadm.reporting.sinks import SUCCESS_SENTINEL, read_status
from machineadm.sources.passphrases import GivenPassphrases
from tests.fakes.host import Call, FakeHost, offline_host

CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration:
      hostname: worker-1
      kernelModules: [br_netfilter]
      sysctls: {net.ipv4.ip_forward: "1"}
    files:
    - {path: /etc/motd, content: "hello\\n"}
    commands:
      boot:
      - argv: [boot-command]
      preKubeadm:
      - argv: [pre-command]
        env: [{name: PASSWORD, value: s3cr3t-value}]
      postKubeadm:
      - argv: [post-command]
  kubernetes:
    version: v1.34.4
    role:
      type: JoinWorker
      discovery:
        type: Token
        token: abcdef.0123456789abcdef
        endpoint: 10.0.0.1:6443
        caCertHashes: ["sha256:1111111111111111111111111111111111111111111111111111111111111111"]
"""
AGENT = "/usr/local/bin/machineadm"
CONFIG_ON_DISK = "/etc/kubernetes/kubelet.conf"


class Stage:
    """A machine in memory and a configuration file.

    Args:
        directory: Where the configuration file lies.
        offline: The machine is a tree.
        systemd: systemd runs it.
    """

    def __init__(self, directory: Path, *, offline: bool = False, systemd: bool = True) -> None:
        self.file = directory / "node.yaml"
        self.file.write_text(CONFIGURATION)
        self.host: FakeHost = offline_host() if offline else FakeHost()
        self.host.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        self.host.put(AGENT, b"PK the agent")
        self.boot("boot-1")
        if systemd:
            self.host.put("/run/systemd/system/x")
        if not offline:
            self.host.commands.on("kubeadm", "version", output="v1.34.4\n")
            self.host.commands.on("kubeadm", "join", effect=self._join)
        self.events: list[Event] = []
        self.told: list[str] = []
        self.limits: list[float] = []
        self.redactor: Redactor | None = None
        """None: each run has its own."""

    def boot(self, boot_id: str) -> None:
        """Let the machine have booted."""
        self.host.state.reboot()
        self.host.put("/proc/sys/kernel/random/boot_id", boot_id)

    def machine(self, *, is_root: bool = True, agent: str | None = AGENT) -> Machine:
        """What the agent is given."""
        return Machine(
            host=self.host,
            redactor=self.redactor or Redactor(),
            agent=AgentFile(python="/usr/bin/python3", path=agent),
            digest=lambda: "0" * 64,
            is_root=is_root,
            announce=self.told.append,
            limit=self.limits.append,
        )

    def run(
        self,
        *,
        mode: Mode = "provisioning",
        agent: str | None = AGENT,
        passphrases: GivenPassphrases | None = None,
        deadline: float | None = None,
    ) -> None:
        """Bootstrap."""
        self.events.clear()
        request = Request(
            paths=(str(self.file),),
            mode=mode,
            options=("--mode", mode),
            deadline=deadline,
            passphrases=passphrases or GivenPassphrases(directory="/nowhere"),
        )
        bootstrap(request, self.machine(agent=agent), self.events.append)

    def status(self) -> BootstrapStatus:
        """The last report."""
        found = read_status(self.host.state)
        assert found is not None
        return found

    def succeeded(self) -> bool:
        """Whether anybody could think so."""
        content = self.host.state.read("status.json", durable=False)
        said = content is not None and (
            msgspec.json.decode(content, type=BootstrapStatus).phase == "Succeeded"
        )
        return said or self.host.text(SUCCESS_SENTINEL) is not None

    def resume_copy(self) -> str:
        """Name of the one copy of the input that is kept for a resumed run."""
        (name,) = [one for one in self.host.state.list("resume") if one.endswith(".yaml")]
        return f"resume/{name}"

    def ran(self, program: str) -> int:
        """How often a program was run."""
        return sum(argv[0] == program for argv in self.host.commands.argvs())

    def replace(self, old: str, new: str) -> None:
        """Fix the configuration."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def _join(self, _call: Call) -> CommandResult | None:
        self.host.put(CONFIG_ON_DISK, "client-certificate-data: x\n")
        return None
