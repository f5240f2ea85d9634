"""The configuration of containerd: read by the containerd that is installed before it is written, and in use afterwards."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

import msgspec

from machineadm.actions.files import READABLE_BY_OTHERS, PlannedFile, WriteFiles
from machineadm.actions.kubeadm_images import kubeadm_images
from machineadm.actions.perform import perform, services_of
from machineadm.actions.running import to_run
from machineadm.actions.waits import is_met, wait_for
from machineadm.api.v1alpha1.containerd import Containerd
from machineadm.config.concerns.containerd import inline_registries
from machineadm.config.machine_paths import CONTAINERD, CONTAINERD_BASE
from machineadm.config.rules.toml import read_toml
from machineadm.errors import StepError
from machineadm.host.effects import RunProgram, WaitFor
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Work, digest_of
from machineadm.semver import Semver
from machineadm.steps.containerd.tables import HEADER, Tables, leaves, merged, ours

UNIT: Final = "containerd.service"
_TIMEOUT: Final = 60.0
_BUDGET: Final = 60.0
_CANDIDATE: Final = "containerd/config.toml"
_OLDEST: Final = 2
_SERVER: Final = "io.containerd.server.v1."
_FOURTH: Final = (2, 3)
"""The first containerd that reads version 4."""


class ConfigureRuntime(msgspec.Struct, frozen=True, kw_only=True):
    """Write containerd's configuration, after containerd itself has read it: it ignores a key that it does not know."""

    settings: Containerd
    address: str | None
    """Path of the socket that is asked for; None: containerd's own default."""
    socket: str
    """Where it answers."""
    kubernetes: str
    repository: str
    name: str = "containerd/configuration"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        settings = msgspec.json.encode(
            # The order of a map's keys in the configuration changes nothing, and must not change
            # what the machine is said to own.
            self.settings,
            enc_hook=lambda secret: secret.reveal(),
            order="deterministic",
        )
        return digest_of(self.name, settings, str(self.address), self.kubernetes, self.repository)

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`: the file that was there comes back."""
        digest = self.digest()
        hidden = self._has_login()
        return (
            Owned(kind="file", name=CONTAINERD_BASE, declared=digest, hidden=hidden),
            Owned(kind="file", name=CONTAINERD, declared=digest, hidden=hidden),
        )

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: containerd is missing or of another version, or the configuration does not go with it.
        """
        files, _ = self._files(host)
        return self._inner(files).check(host)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: containerd does not understand the configuration.
        """
        # Anew, and not from the check: a command between the two may have installed another
        # containerd.
        files, tables = self._files(host)
        if work.effects:
            self._judge(files[-1].content, tables, host)
        return self._inner(files).apply(host, work)

    def _inner(self, files: tuple[PlannedFile, ...]) -> WriteFiles:
        # Until it answers: systemd calls containerd started before its interface for Kubernetes
        # has loaded, and kubeadm would be refused.
        restart = FollowUp(kind="restart", target=UNIT, until=f"runtime {self.socket}")
        return WriteFiles(name=self.name, phase=self.phase, files=files, follow=(restart,))

    def _has_login(self) -> bool:
        return any(one.auth is not None for one in self.settings.registries)

    def _files(self, host: Host) -> tuple[tuple[PlannedFile, ...], Tables]:
        version = installed(host)
        wanted = self.settings.version
        if wanted is not None and Semver.parse(wanted) != version:
            raise StepError(
                "MA3572",
                f"{self.name}: containerd is {version}, and containerRuntime.containerd.version says {wanted}",
                hint="install that version in the image, or leave `version` out",
            )
        text = _base(host)
        sandbox = self.settings.sandbox_image or self._pause(host)
        own = ours(self.settings, version, address=self.address, sandbox=sandbox)
        extra = read_toml(self.settings.extra_config or "")
        own["version"] = _version(extra, own["version"], version)
        base = _read_base(text, own["version"], host)
        # In this order: what is written by hand in extraConfig is the last word, over our fields
        # and over the distribution's file.
        tables = merged(merged(base, own), extra)
        _refuse_inline_registries(tables)
        import tomli_w

        there = host.files.stat(CONTAINERD)
        private = (
            self._has_login()
            # A login that the distribution's file or extraConfig has is one, too; and whoever made a file private meant it.
            or any("auth" in path for path in leaves(tables))
            or (there is not None and not there.mode & READABLE_BY_OTHERS)
        )
        content = f"{HEADER}, over what {CONTAINERD_BASE} has.\n{tomli_w.dumps(tables)}"
        mode = 0o600 if private else 0o644
        # The file that was there is kept beside ours: at the next run it is the ground again, and
        # ours is not laid over itself.
        kept = PlannedFile(path=CONTAINERD_BASE, content=text.encode(), mode=0o600)
        main = PlannedFile(path=CONTAINERD, content=content.encode(), mode=mode, sensitive=private)
        return ((kept, main) if text else (main,)), tables

    def _pause(self, host: Host) -> str | None:
        """The pause image that kubeadm names: with another one, two are pulled, and one is collected as garbage while it is used."""
        images = kubeadm_images(self.kubernetes, self.repository, host)
        return next((one for one in images if "/pause:" in one), None)

    def _judge(self, content: Any, tables: Tables, host: Host) -> None:
        """Have containerd read it, and see whether it kept every key.

        Raises:
            StepError: It did not.
        """
        if host.queries is None:
            return
        path = f"{host.state.run_directory}/{_CANDIDATE}"
        try:
            # In the run directory, which is private: the candidate may hold a registry's
            # password.
            host.state.write(_CANDIDATE, content, durable=False)
            argv = ["containerd", "--config", path, "config", "dump"]
            said = host.queries.ask(argv, timeout=_TIMEOUT)
        finally:
            host.state.remove(_CANDIDATE, durable=False)
        lines = said.output.splitlines()
        # containerd's log comes with the dump, because standard error is read along; a log line
        # is not TOML.
        notes = [line for line in lines if line.startswith(("time=", "WARN", "containerd: "))]
        if said.exit_code != 0:
            last = (notes or lines or [""])[-1].replace(path, CONTAINERD)
            raise StepError(
                "MA3573",
                f"{self.name}: containerd cannot read it: {last}",
                hint="look at extraConfig, and at what was there before",
            )
        try:
            read = read_toml("\n".join(line for line in lines if line not in notes))
        except ValueError:
            return  # longer than what is kept of an answer
        unknown = [".".join(one) for one in _not_kept(tables, read)]
        if unknown:
            raise StepError(
                "MA3574",
                f"{self.name}: containerd does not know {', '.join(unknown[:5])}",
                hint="look for a typing error in extraConfig; keys differ between versions of containerd",
            )


class UseRuntime(msgspec.Struct, frozen=True, kw_only=True):
    """Have containerd run, now and at later boots, and wait until Kubernetes' interface to it answers."""

    socket: str
    name: str = "containerd/in-use"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Needing.needs`."""
        return (FollowUp(kind="restart", target=UNIT).key,)

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.socket)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        effects = to_run(UNIT, host)
        wait = WaitFor(
            condition=f"runtime {self.socket}",
            budget=_BUDGET,
            reason="kubeadm and the kubelet talk to the container runtime",
        )
        if effects or not is_met(wait.condition, host):
            return Work(effects=(*effects, wait), summary=f"waits up to {_BUDGET:g} s for {UNIT}")
        return Work(summary=self._answer(host))

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        for effect in work.effects:
            if isinstance(effect, RunProgram):
                services_of(host).restart(UNIT)
            elif isinstance(effect, WaitFor):
                wait_for(effect, host)
            else:
                perform((effect,), host)
        return Outcome(change=work.change, message=self._answer(host))

    def _answer(self, host: Host) -> str:
        return f"containerd {installed(host)} answers at {self.socket}"


def installed(host: Host) -> Semver:
    """The version of the containerd that is installed.

    Raises:
        StepError: There is none, or it does not say.
    """
    queries = host.queries
    if queries is None or queries.find("containerd") is None:
        raise StepError(
            "MA3571",
            "containerd: it is not installed",
            hint="install it in the image or in commands.boot, or leave containerRuntime.containerd out",
        )
    said = queries.ask(["containerd", "--version"], timeout=_TIMEOUT).output
    # Debian puts letters of its own behind the number: 1.6.20~ds1.
    found = re.search(r"\bv?([0-9]+\.[0-9]+\.[0-9]+(?:-(?:rc|beta|alpha)[.0-9]*)?)", said)
    if found is None:
        raise StepError(
            "MA3571",
            "containerd: `containerd --version` names no version",
            hint="run it yourself to see what it says",
        )
    return Semver.parse(found[1].rstrip("."))


def _base(host: Host) -> str:
    """The configuration that ours is laid over: what is there, or what was there before ours."""
    path = CONTAINERD_BASE if _is_ours(host) else CONTAINERD
    return (host.files.read(path) or b"").decode(errors="replace")


def _is_ours(host: Host) -> bool:
    return (host.files.read(CONTAINERD) or b"").startswith(HEADER.encode())


def _read_base(text: str, version: int, host: Host) -> Tables:
    """The tables of the configuration that was there, in the version that is written.

    Raises:
        StepError: It cannot be read.
    """
    base = _parsed(text)
    # Docker's package has containerd without Kubernetes' interface.
    disabled = base.get("disabled_plugins")
    # Only taken out and the list kept: other plugins in it were disabled on purpose.
    if isinstance(disabled, list):
        base["disabled_plugins"] = [
            one for one in disabled if one not in ("cri", "io.containerd.grpc.v1.cri")
        ]
    theirs = base.get("version", 1)
    if theirs == version or not base.get("plugins"):
        return base
    if theirs < _OLDEST or theirs > version:
        raise StepError(
            "MA3575",
            f"containerd/configuration: {CONTAINERD} is of version {theirs}, and version {version} is written here",
            hint="`containerd config migrate` rewrites it; or remove it, if nothing in it is needed",
        )
    return _migrated(text, version, host)


def _migrated(text: str, version: int, host: Host) -> Tables:
    """What containerd makes of an older version.

    Raises:
        StepError: It does not read it.
    """
    if host.queries is None:
        return {}
    # Of the file itself: a check must write nothing.
    path = CONTAINERD_BASE if _is_ours(host) else CONTAINERD
    said = host.queries.ask(["containerd", "--config", path, "config", "migrate"], timeout=_TIMEOUT)
    # The warning about the old version comes with its translation, as above.
    lines = [line for line in said.output.splitlines() if not line.startswith(("time=", "WARN"))]
    tables = _parsed("\n".join(lines)) if said.exit_code == 0 else {}
    if not tables:
        raise StepError(
            "MA3575",
            f"containerd/configuration: `containerd config migrate` does not read {CONTAINERD}",
            hint="run it yourself to see why; or remove the file, if nothing in it is needed",
        )
    # From 2.3 on it writes version 4 only, which has the plugins of version 3; only the server's own settings moved.
    plugins = tables.get("plugins", {})
    if version < tables.get("version", version):
        tables["plugins"] = {k: v for k, v in plugins.items() if not k.startswith(_SERVER)}
        original = _parsed(text)
        for key in ("grpc", "ttrpc", "debug", "metrics"):
            if key in original:
                tables[key] = original[key]
    tables["version"] = version
    return tables


def _parsed(text: str) -> Tables:
    """The tables of the configuration that was there.

    Raises:
        StepError: It is not TOML.
    """
    try:
        return read_toml(text)
    except ValueError as error:
        raise StepError(
            "MA3575",
            f"containerd/configuration: {CONTAINERD} {error}",
            hint="correct it, or remove it, if nothing in it is needed",
        ) from error


def _version(extra: Tables, version: int, containerd: Semver) -> int:
    """The version that is written, which extraConfig may lift to 4.

    Raises:
        StepError: This containerd does not read what extraConfig says.
    """
    plugins = extra.get("plugins")
    names = plugins if isinstance(plugins, dict) else {}
    # The name of the plugin says it as well: many write extraConfig without its version.
    asked = 4 if any(name.startswith(_SERVER) for name in names) else extra.get("version", version)
    can_lift = (containerd.major, containerd.minor) >= _FOURTH
    if asked == version or (asked == 4 and can_lift):
        return int(asked)
    raise StepError(
        "MA3576",
        f"containerd/configuration: extraConfig is of version {asked}, and containerd {containerd} gets version {version}",
        hint="write extraConfig for the containerd that is installed; version 4 and io.containerd.server.v1 need 2.3",
    )


def _refuse_inline_registries(tables: Tables) -> None:
    """Refuse what containerd would refuse at its start.

    Raises:
        StepError: Registries stand in the file, beside the path of others.
    """
    plugins = tables.get("plugins", {})
    with_path = any(
        isinstance(one, dict) and one.get("registry", {}).get("config_path")
        for one in plugins.values()
    )
    found = list(inline_registries(tables)) if with_path else []
    if found:
        raise StepError(
            "MA3577",
            f"containerd/configuration: {CONTAINERD} has {found[0]}, which containerd refuses together with config_path",
            hint="remove it from the file, and say it in containerRuntime.containerd.registries",
        )


def _not_kept(tables: Tables, read: Tables) -> list[tuple[str, ...]]:
    """The keys of plugins that containerd left out when it wrote down what it had read."""
    there = leaves(read)
    return [
        path
        for path, value in leaves({"plugins": tables.get("plugins", {})}).items()
        # It leaves out what is empty by itself, and options as a shim has them are its own business.
        if path not in there
        and value not in ("", [], {}, None)
        and "options" not in path
        and path[1] in read.get("plugins", {})
    ]
