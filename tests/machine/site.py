"""What a machine meets at its first boot: a server with the agent over TLS, and user data that `render` has printed."""

import functools
import hashlib
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from types import TracebackType

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.contract.trees import fake_kubeadm
from tests.machine.network import Network
from tests.servers.authority import Authority
from tests.servers.files import FileServer

PROVIDER = "site"
PASSPHRASE = "correct horse battery staple"
TOKEN = "abcdef.0123456789abcdef"
AGENT = "/usr/local/bin/machineadm"
RECORD = "/var/lib/kubeadm.record"
BOOTSTRAP = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineBootstrap
metadata: {{name: boot, namespace: default}}
spec:
  machine:
    files:
    - {{path: /etc/greeting, content: "hello\\n", permissions: "0640"}}
    commands:
      preKubeadm:
      - argv: [sh, -c, "echo ran >> /var/lib/commands"]
  kubernetes:
    version: v1.34.4
    role:
      type: JoinWorker
      discovery:
        type: Token
        token: {token}
        endpoint: 192.0.2.1:6443
        caCertHashes: ["sha256:{zeros}"]
  agent:
    download:
      version: {version}
      urls:
      - {url}/machineadm-linux-{{arch}}.pyz
{checks}
      caBundle: |
{authority}
  encryption:
    provider: {provider}
    passphraseFrom: {{secret: {{name: passphrase, key: passphrase}}}}
  format: {format}
---
apiVersion: v1
kind: Secret
metadata: {{name: passphrase, namespace: default}}
stringData: {{passphrase: {passphrase}}}
"""


class Site:
    """A network with that server, for one machine.

    Args:
        agent: The packed agent.
        directory: Where the server's files, and what the machine is given, are kept.
        tampered: The server's agent is another than the one that was signed.
        checks: What the configuration gives to check it by: `sha256`, `publicKey`.
    """

    def __init__(
        self,
        agent: Path,
        directory: Path,
        *,
        tampered: bool = False,
        checks: tuple[str, ...] = ("sha256", "publicKey"),
    ) -> None:
        self.directory, self.agent, self.checks = directory, agent, checks
        self.network = Network()
        self._authority = Authority()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.files = directory / "files"
        self._publish(tampered=tampered)

    def __enter__(self) -> "Site":
        self.network.__enter__()
        address = self.network.address
        identity = self._authority.identity(self.directory / "pki", address)
        self.server = self.network.inside(
            lambda: FileServer(self.files, address=(address, 443), identity=identity)
        )
        self.server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.server.__exit__(kind, error, traceback)
        self.network.__exit__(kind, error, traceback)

    def user_data(self, kind: str, *options: str) -> bytes:
        """What a machine of this site is started with, for `cloud-config` or `ignition`.

        `options` are more of those of `render`.
        """
        path = self.directory / "bootstrap.yaml"
        path.write_text(
            BOOTSTRAP.format(
                token=TOKEN,
                zeros="0" * 64,
                version=_version(self.agent),
                url=self.server.url,
                checks=indent("".join(map(self._check, self.checks)), " " * 6).rstrip(),
                authority=indent(self._authority.certificate, " " * 8),
                provider=PROVIDER,
                passphrase=PASSPHRASE,
                format=kind,
            )
        )
        run = subprocess.run(
            [sys.executable, "-IS", self.agent, "render", "--path", path, *options],
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr.decode()
        return run.stdout

    def seed(self, user_data: bytes) -> dict[str, Path]:
        """What a machine with cloud-init is given, by paths in it."""
        directory = self.directory / "seed"
        directory.mkdir()
        (directory / "meta-data").write_text("instance-id: first\n")
        (directory / "user-data").write_bytes(user_data)
        return {"/var/lib/cloud/seed/nocloud": directory, **self.image()}

    def image(self) -> dict[str, Path]:
        """What a machine's image brings: the passphrase, and a recorder in kubeadm's place."""
        passphrases = self.directory / "passphrases"
        passphrases.mkdir(mode=0o700)
        (passphrases / PROVIDER).touch(mode=0o600)
        (passphrases / PROVIDER).write_text(f"{PASSPHRASE}\n")
        kept = f'cat "${{2#--config=}}" > {RECORD}'
        fake_kubeadm(self.directory / "bin", Path("/"), kept)
        return {
            "/etc/machineadm/passphrases": passphrases,
            "/usr/bin/kubeadm": self.directory / "bin/kubeadm",
        }

    def _publish(self, *, tampered: bool) -> None:
        self.files.mkdir()
        content = self.agent.read_bytes()
        name = self.files / "machineadm-linux-amd64.pyz"
        name.with_suffix(".pyz.sig").write_bytes(self._key.sign(content, ec.ECDSA(SHA256())))
        self.sha256 = hashlib.sha256(content).hexdigest()
        if tampered:  # it still runs
            content += b"\n"
        name.write_bytes(content)

    def _check(self, what: str) -> str:
        if what == "sha256":
            return f"sha256: {self.sha256}\n"
        public = self._key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return "publicKey: |\n" + indent(public.decode(), "  ")


@functools.cache
def _version(agent: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-IS", agent, "version"], capture_output=True, text=True, check=True
    )
    return f"v{run.stdout.split()[1].removeprefix('v')}"
