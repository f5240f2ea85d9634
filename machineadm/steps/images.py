"""Images, loaded into containerd while the machine is prepared: from archives and registries, several at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Final

import msgspec

from machineadm.actions.kubeadm_images import kubeadm_images
from machineadm.actions.perform import perform
from machineadm.api.v1alpha1.images import Image, ImageArchive
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.config.concerns.containerd import SOCKET
from machineadm.config.concerns.images import KUBELETS, full_name
from machineadm.config.machine_paths import CERTS_D, IMAGE_RECORDS
from machineadm.errors import HostError, MachineadmError, StepError, VerificationError
from machineadm.host.effects import Download, RunProgram, WriteFile
from machineadm.host.ports import CommandResult, Host, Waiting
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Step, Work, digest_of

_AT_ONCE: Final = 4
_TIMEOUT: Final = 600.0
"""Seconds for one image."""
_QUERY: Final = 60.0
_BUDGET: Final = 300.0
"""Seconds in which what may pass is tried again."""
_LONGEST_PAUSE: Final = 30.0
_TELLING: Final = 10.0
_DOWNLOADS: Final = "/var/lib/machineadm/downloads"
_PINNED: Final = "io.cri-containerd.pinned=pinned"
"""containerd's word to the kubelet that an image is no garbage; from 1.7 on."""
_PER_QUERY: Final = 20
_UNITS: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_PASSING: Final = ("timeout", "timed out", "connection re", "eof", "temporary failure", "try again", "tls handshake", "too many requests",
                   "500 internal", "502 bad", "503 service", "504 gateway", "i/o timeout", "server misbehaving")  # fmt: skip
"""What a registry says that is not there for a moment."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An image that containerd has."""

    digest: str
    size: int
    pinned: bool


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One image to load."""

    index: int
    image: Image
    title: str
    key: str = ""
    """Of an archive: its record's name."""


class LoadImages(msgspec.Struct, frozen=True, kw_only=True):
    """Load all images, as work that goes on while later steps are carried out."""

    images: tuple[Image, ...]
    socket: str
    snapshotter: str
    needed: tuple[str, ...]
    """Keys of the follow-ups after which containerd has its configuration."""
    version: str
    """Of Kubernetes, whose images are loaded as well; empty: they are not."""
    repository: str
    name: str = "images/load"
    phase: Phase = Phase.PREPARE
    joined_before: str = "kubeadm"
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Needing.needs`."""
        return self.needed

    def digest(self) -> str:
        """See `Step.digest`."""
        # Without socket and snapshotter: the images stay where they are when containerd is
        # reached by another path.
        return digest_of(self.name, msgspec.json.encode(self.images), self.version, self.repository)

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`. kubeadm's own images are not named here: kubeadm says which they are."""
        # A URL without its query, which may be a signature that nobody should find in the state directory.
        names = (one.reference or _of_archive(one.archive).partition("?")[0] for one in self.images)
        return tuple(Owned(kind="image", name=name) for name in dict.fromkeys(names))

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        """See `Retryable.retry_delay`."""
        # From two seconds: a registry that is throttled is not helped by being asked at once by
        # every machine of a rollout.
        pause: float = min(2.0**attempt, _LONGEST_PAUSE)
        return pause if elapsed + pause <= _BUDGET else None

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: kubeadm does not say which images it wants, or one must be there and is not.
        """
        tasks = tuple(self._tasks(host))
        todo = self._missing(tasks, host)
        # In the check: no pull is ever tried, so nothing that the run does could bring it.
        absent = [one.title for one in todo if one.image.pull_policy == "Never"]
        if absent:
            raise StepError(
                "MA3591",
                f"{self.name}: {', '.join(absent)} must be there (pullPolicy: Never), and is not",
                hint="have the image of the machine bring it, or load it from an archive",
            )
        if not todo:
            return Work(summary=f"{_counted(len(tasks))} in place")
        effects = tuple(
            RunProgram(title="ctr", argv=(*self._ctr(one.image.namespace), *_shown(one.image)))
            for one in todo
        )
        return Work(effects=effects, summary=f"loads {len(todo)} of {_counted(len(tasks))}")

    def apply(self, host: Host, work: Work) -> Outcome:
        """Load what is missing now.

        Raises:
            MachineadmError: The first that failed; the others are loaded.
        """
        tasks = tuple(self._tasks(host))
        todo = self._missing(tasks, host)
        began = host.clock.monotonic()
        records: dict[str, bytes] = {}
        # All are tried, though one fails: what is loaded stays, and the next attempt has less to
        # do.
        errors = _all_at_once(todo, lambda one: self._load(one, records, host), len(tasks), host)
        # Here, and not where they are made: two writes into one directory at the same time are one too many.
        for key, record in records.items():
            host.state.write(f"{IMAGE_RECORDS}/{key}.json", record, durable=True)
        # One that may pass is no reason to try again what is final.
        for error in sorted(errors, key=lambda one: getattr(one, "passing", False)):
            raise error
        stored = self._stored([one for one in todo if one.image.reference], host)
        size, took = sum(one.size for one in stored.values()), host.clock.monotonic() - began
        told = f"loaded {_counted(len(todo))}"
        if size and took > 0:
            told += f", {size >> 20} MiB in {took:.0f} s ({size / took / (1 << 20):.0f} MiB/s)"
        return Outcome(change=work.change, message=told)

    def _tasks(self, host: Host) -> Iterator[Task]:
        index = 0
        for index, image in enumerate(self.images):
            archive = image.archive
            if archive is None:
                yield Task(index=index, image=image, title=image.reference or "")
            else:
                key = digest_of(image.namespace, str(image.platform), *_identity(archive, host))
                yield Task(index=index, image=image, title=_of_archive(archive), key=key)  # fmt: skip
        if not self.version:
            return
        wanted = kubeadm_images(self.version, self.repository, host)
        if not wanted:
            raise StepError(
                "MA3592",
                f"{self.name}: kubeadm does not say which images Kubernetes {self.version} wants",
                hint="install kubeadm, or leave kubernetesImages out and name the images",
            )
        # An image that is given by name may have a platform or a policy of its own, which
        # kubeadm's list would override.
        given = {full_name(one.reference) for one in self.images if one.reference is not None}
        for number, reference in enumerate(wanted, start=index + 1):
            if full_name(reference) not in given:
                yield Task(index=number, image=Image(reference=reference), title=reference)

    def _missing(self, tasks: Sequence[Task], host: Host) -> list[Task]:
        stored = self._stored(tasks, host)
        found = []
        for one in tasks:
            image = one.image
            if image.reference is None:
                # An archive does not say which images are in it without being read; the record of
                # its import does.
                if not self._was_imported(one, host):
                    found.append(one)
            elif (image.pull_policy == "Always" and not _pin(image.reference)) or not any(
                _is_it(image.reference, stored.get((image.namespace, name)))
                for name in _names(image.reference)
            ):
                found.append(one)
        return found

    def _stored(self, tasks: Sequence[Task], host: Host) -> dict[tuple[str, str], Stored]:
        """What containerd has of the references, by namespace and name."""
        names: dict[str, list[str]] = {}
        for one in tasks:
            if one.image.reference is not None:
                names.setdefault(one.image.namespace, []).extend(_names(one.image.reference))
        found: dict[tuple[str, str], Stored] = {}
        for namespace, wanted in names.items():
            for name, stored in self._listed(namespace, wanted, host).items():
                found[namespace, name] = stored
        return found

    def _listed(self, namespace: str, names: Sequence[str], host: Host) -> dict[str, Stored]:
        found: dict[str, Stored] = {}
        queries = host.queries
        # A plan before containerd is installed: nothing is known, so everything is to be loaded.
        if queries is None or queries.find("ctr") is None:
            return found
        # Some at a time: of an answer only its end is kept, and a machine may have hundreds.
        for at in range(0, len(names), _PER_QUERY):
            # Filtered by containerd: a machine with a thousand images would otherwise send all of
            # them for each question.
            filters = [f"name=={name}" for name in names[at : at + _PER_QUERY]]
            answer = queries.ask([*self._ctr(namespace), "images", "ls", *filters], timeout=_QUERY)
            for line in answer.output.splitlines() if answer.exit_code == 0 else ():
                fields = line.split()
                if len(fields) > 5 and fields[2].startswith("sha256:"):
                    found[fields[0]] = Stored(digest=fields[2], size=_bytes(fields[3], fields[4]), pinned=_PINNED in line)  # fmt: skip
        return found

    def _ctr(self, namespace: str) -> tuple[str, ...]:
        return ("ctr", "--address", self.socket, "--namespace", namespace)

    def _load(self, task: Task, records: dict[str, bytes], host: Host) -> None:
        """Load one image, and note what came of an archive.

        Raises:
            VerificationError: It is not what it must be.
            StepError: It cannot be had.
        """
        image = task.image
        if image.reference is None:
            self._import(task, records, host)
            return
        reference = full_name(image.reference)
        self._run(self._pull(image, reference, host), task, host)
        names = _names(image.reference)
        stored = self._listed(image.namespace, names, host)
        if not any(_is_it(image.reference, stored.get(name)) for name in names):
            raise VerificationError(
                "MA3593",
                f"{self.name}: {task.title} was pulled, and containerd does not have it with that digest",
                hint="the digest belongs to another image, or another program removed the image at once",
            )
        self._keep(image.namespace, stored, host)

    def _pull(self, image: Image, reference: str, host: Host) -> tuple[str, ...]:
        # containerd's own interface knows logins and the snapshotter; ctr takes a login on its command line alone.
        can_ask = host.queries is not None and host.queries.find("crictl") is not None
        if can_ask and image.namespace == KUBELETS and image.platform is None:
            endpoint = f"unix://{self.socket}"
            return ("crictl", "--runtime-endpoint", endpoint, "--image-endpoint", endpoint, "pull", reference)  # fmt: skip
        platform = ("--platform", image.platform) if image.platform is not None else ()
        return (
            *self._ctr(image.namespace), "images", "pull", "--hosts-dir", CERTS_D, *self._with_snapshotter(), *platform, reference,
        )  # fmt: skip

    def _with_snapshotter(self) -> tuple[str, ...]:
        return ("--snapshotter", self.snapshotter) if self.snapshotter else ()

    def _import(self, task: Task, records: dict[str, bytes], host: Host) -> None:
        """Import an archive.

        Raises:
            VerificationError: It is not what it must be.
            StepError: It is not there, or cannot be imported.
        """
        archive = task.image.archive
        if archive is None:
            return
        # A directory for each: a write removes what another one that was cut off has left beside it.
        directory = f"{_DOWNLOADS}/{archive.sha256}"
        path = archive.path or f"{directory}/archive"
        if archive.url is not None:
            self._download(archive, path, host)
        elif archive.sha256 is not None and (found := host.files.sha256(path)) != archive.sha256:
            what = "is not there" if found is None else f"is {found}, not {archive.sha256}"
            raise VerificationError(
                "MA2001",
                f"{self.name}: the archive {path} has the wrong digest: sha256 {what}",
                hint="the file has changed, or the digest belongs to another file",
            )
        elif host.files.stat(path) is None:
            raise StepError(
                "MA3594",
                f"{self.name}: there is no archive {path}",
                hint="have the image of the machine bring it, or name a url",
            )
        platform = ("--platform", task.image.platform) if task.image.platform is not None else ()
        argv = (*self._ctr(task.image.namespace), "images", "import", *self._with_snapshotter(), *platform, path)  # fmt: skip
        try:
            result = self._run(argv, task, host)
        finally:
            if archive.url is not None:
                host.files.remove(path)
                host.files.remove_directory(directory)
        names = _imported(result.output)
        stored = self._listed(task.image.namespace, names, host) if names else {}
        self._keep(task.image.namespace, stored, host)
        # Identified anew: a file that an earlier step has written was another one, or none, when this began.
        key = digest_of(task.image.namespace, str(task.image.platform), *_identity(archive, host))
        # With digests: a name that has been moved to another image since is no proof that the
        # archive's is still there.
        records[key] = msgspec.json.encode({name: one.digest for name, one in stored.items()})

    def _download(self, archive: ImageArchive, path: str, host: Host) -> None:
        handler = archive.auth_from.handler if archive.auth_from is not None else None
        content = Download(
            url=archive.url or "",
            sha256=archive.sha256 or "",
            handler=handler.name if handler is not None else "",
            scope=handler.scope if handler is not None else "",
        )
        perform((WriteFile(path=path, content=content, mode=0o600),), host)

    def _was_imported(self, task: Task, host: Host) -> bool:
        """Whether the record of an import says so, and containerd still has what came of it."""
        record = host.state.read(f"{IMAGE_RECORDS}/{task.key}.json", durable=True)
        if record is None:
            return False
        try:
            # A damaged record costs an import and not a run: importing again does no harm.
            names: Mapping[str, str] = msgspec.json.decode(record, type=dict[str, str])
        except (ValueError, RecursionError):
            return False
        stored = self._listed(task.image.namespace, list(names), host) if names else {}
        return all(
            name in stored and stored[name].digest == digest for name, digest in names.items()
        )

    def _keep(self, namespace: str, stored: Mapping[str, Stored], host: Host) -> None:
        """Have the kubelet not take them for garbage while no pod uses them yet. A containerd that does not know the label ignores it."""
        for name, one in stored.items():
            if namespace == KUBELETS and not one.pinned and host.commands is not None:
                argv = (*self._ctr(namespace), "images", "label", name, _PINNED)
                host.commands.run(argv, timeout=_QUERY, quiet=True)

    def _run(self, argv: tuple[str, ...], task: Task, host: Host) -> CommandResult:
        """Run a program that loads an image.

        Raises:
            StepError: It failed.
        """
        if host.commands is None:
            raise StepError("MA3402", f"{self.name}: no program can run below another root")
        # Quiet: ctr draws bars of progress, a line for each change, and several images load at
        # once.
        result = host.commands.run(argv, timeout=_TIMEOUT, quiet=True, note=f"loads {task.title}")
        if result.exit_code == 0:
            return result
        lines = [line for line in result.output.strip().splitlines() if line.strip()]
        said = (
            # The last line: ctr and crictl print the layers first, and why they gave up at the
            # end.
            "it took too long" if result.timed_out else (lines or ["it says nothing"])[-1].strip()
        )
        from machineadm.actions.clock_words import HINTS, blamed_on_the_clock, told_time

        # Behind a registry that cannot be pulled from may be a clock that has not been set yet, which passes.
        if code := blamed_on_the_clock(said):
            raise StepError(
                code,
                f"{self.name}: {argv[0]} cannot load {task.title}: {said}; this machine's clock says {told_time(host)}",
                hint=HINTS[code],
                passing=code == "MA4032",
                log_tail=result.output,
            )
        raise StepError(
            "MA3595",
            f"{self.name}: {argv[0]} cannot load {task.title}: {said}",
            hint="look at containerRuntime.containerd.registries and systemProxies; a registry with a user and a password needs crictl on the machine, one with a token does not",
            passing=result.timed_out or any(one in said.lower() for one in _PASSING),
            log_tail=result.output,
        )


def plan_images(machine: MachineConfig, kubernetes: KubernetesConfig | None) -> tuple[Step, ...]:
    """The step that loads images, or none.

    Args:
        machine: Free of findings.
        kubernetes: Names the version whose images are loaded as well, and where containerd is asked.
    """
    if not machine.images and not machine.kubernetes_images:
        return ()
    runtime = machine.container_runtime
    containerd = runtime.containerd if runtime is not None else None
    node = kubernetes.node if kubernetes is not None else None
    cluster = kubernetes.cluster if kubernetes is not None else None
    socket = (runtime.socket if runtime is not None else None) or (
        node.cri_socket if node is not None else None
    )
    version = kubernetes.version if kubernetes is not None and machine.kubernetes_images else ""
    step = LoadImages(
        images=machine.images,
        socket=(socket or SOCKET).removeprefix("unix://"),
        snapshotter=(containerd.snapshotter or "") if containerd is not None else "",
        needed=(FollowUp(kind="restart", target="containerd.service").key,),
        version=version,
        repository=(cluster.image_repository or "") if cluster is not None else "",
    )
    return (step,)


def _all_at_once(
    tasks: Sequence[Task], load: Callable[[Task], None], total: int, host: Host
) -> list[MachineadmError]:
    """Load several at a time, tell how far it is, and return what failed, in the configuration's order.

    Raises:
        InterruptedRunError: The run was interrupted.
    """
    # popleft is atomic, so the threads need no lock to share the list.
    left: deque[Task] = deque(tasks)
    errors: dict[int, MachineadmError] = {}
    done: list[Task] = []
    strange: list[BaseException] = []

    def work() -> None:
        while not strange:
            try:
                one = left.popleft()
            except IndexError:
                return
            try:
                load(one)
            except (StepError, HostError, VerificationError) as error:
                errors[one.index] = error
            # What ends the run, or is a bug: the thread that waits raises it.
            except BaseException as error:
                strange.append(error)
            done.append(one)

    # Daemons: an interrupted run must not wait for a pull that hangs.
    threads = [threading.Thread(target=work, daemon=True) for _ in tasks[:_AT_ONCE]]
    began, told = host.clock.monotonic(), 0.0
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            # Short, because join() cannot be interrupted, and the interruption is asked for
            # between two of them.
            thread.join(0.1)
            host.clock.sleep(0)  # raises where the run was interrupted
            elapsed = host.clock.monotonic() - began
            if elapsed - told >= _TELLING:
                told = elapsed
                host.waiting(
                    Waiting(
                        condition=f"images {total - len(tasks) + len(done)}/{total}",
                        reason="images are loaded",
                        elapsed=elapsed,
                        budget=_BUDGET,
                    )
                )
    for error in strange:
        raise error
    return [errors[index] for index in sorted(errors)]


def _identity(archive: ImageArchive, host: Host) -> tuple[str, ...]:
    """What tells two archives apart without reading them."""
    if archive.url is not None:
        return ("url", archive.sha256 or "")
    stat = host.files.stat(archive.path or "")
    if stat is None:
        return ("path", archive.path or "", archive.sha256 or "")
    # With the digest: an import says nothing of another one that is asked for since.
    pinned = archive.sha256 or ""
    # By size and ctime, which costs one lstat: an archive of gigabytes would take half a minute
    # to be read at every plan.
    return ("path", archive.path or "", pinned, str(stat.size), str(stat.changed))


def _pin(reference: str) -> str:
    return reference.partition("@")[2]


def _names(reference: str) -> tuple[str, ...]:
    """Under which names containerd may have it: its interface for Kubernetes leaves the tag out where there is a digest."""
    full = full_name(reference)
    name, at, digest = full.partition("@")
    if not at:
        return (full,)
    # Only behind the last slash: a colon before it is that of the registry's port.
    bare = name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]
    return tuple(dict.fromkeys((full, f"{bare}@{digest}")))


def _is_it(reference: str, stored: Stored | None) -> bool:
    pin = _pin(reference)
    return stored is not None and (not pin or stored.digest == pin)


def _imported(output: str) -> list[str]:
    """Names that `ctr images import` says it has made."""
    found: dict[str, None] = {}
    for line in output.replace("\r", "\n").splitlines():
        words = line.split()
        # 1.x: `unpacking NAME (sha256:...)...done`; 2.x: `NAME saved`.
        if len(words) > 1 and words[0] == "unpacking":
            found[words[1]] = None
        elif len(words) == 2 and words[1] == "saved" and "/" in words[0]:
            found[words[0]] = None
    return list(found)


def _bytes(number: str, unit: str) -> int:
    try:
        return int(float(number) * _UNITS.get(unit, 0))
    except ValueError:
        return 0


def _of_archive(archive: ImageArchive | None) -> str:
    return "" if archive is None else archive.path or archive.url or ""


def _shown(image: Image) -> tuple[str, ...]:
    archive = image.archive
    if archive is not None:
        return ("images", "import", _of_archive(archive))
    return ("images", "pull", image.reference or "")


def _counted(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
