"""Doing effects: the one place that carries out what a check has said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from machineadm.errors import HostError, InternalError, StepError, VerificationError
from machineadm.host.effects import (
    CopyToState,
    DisableUnit,
    Download,
    DropState,
    Effect,
    EnableUnit,
    KeepState,
    LoadModule,
    MakeDirectory,
    MakeLink,
    RemoveDirectory,
    RemoveFile,
    SetHostname,
    SetParameter,
    WaitFor,
    WriteFile,
)
from machineadm.host.ports import FileWrite, Host, Kernel, Services
from machineadm.redaction import Secret

BROKEN_DOWNLOAD = "MA3103"
_ATTEMPTS = 3
_PAUSE = 2.0


def perform(effects: Sequence[Effect], host: Host) -> None:
    """Do effects in order. Adjacent files are one group commit, after the downloads among them, each by itself.

    Raises:
        MachineadmError: One could not be done; those before it are.
    """
    batch: list[WriteFile] = []
    for effect in effects:
        # Gathered until something else comes: each group commit flushes the file system twice,
        # however many files it has.
        if isinstance(effect, WriteFile):
            batch.append(effect)
            continue
        # Whatever comes next, such as a unit that is enabled, may need the files before it.
        _write(batch, host)
        batch = []
        _perform_one(effect, host)
    _write(batch, host)


def _perform_one(effect: Effect, host: Host) -> None:
    match effect:
        case RemoveFile(path=path):
            host.files.remove(path)
        case MakeLink(path=path, target=target):
            host.files.link(path, target)
        case MakeDirectory(path=path, mode=mode, owner=owner):
            host.files.make_directory(path, mode=mode, owner=owner)
        case RemoveDirectory(path=path):
            host.files.remove_directory(path)
        case LoadModule(module=module):
            kernel_of(host).load(module)
        case SetParameter(name=name, value=value):
            kernel_of(host).set_sysctl(name, value)
        case SetHostname(hostname=hostname):
            kernel_of(host).set_hostname(hostname)
        case EnableUnit(unit=unit):
            services_of(host).enable(unit)
        case DisableUnit(unit=unit):
            services_of(host).disable(unit)
        case KeepState(name=name, content=content, durable=durable):
            host.state.write(name, content, durable=durable)
        # Read when it is done, and not when it was planned: the agent's file may be replaced by
        # its own update in between.
        case CopyToState(source=source, name=name):
            host.state.write(name, _content_of(source, host), durable=True)
        case DropState(name=name, durable=durable):
            host.state.remove(name, durable=durable)
        case WaitFor():
            from machineadm.actions.waits import wait_for

            wait_for(effect, host)
        case _:
            # RunProgram and AskPlugin cannot be done in general: the step that returned them knows timeouts, retries and
            # what their failure means.
            raise InternalError("MA9001", f"cannot carry out {type(effect).__name__}")


def _content_of(path: str, host: Host) -> bytes:
    """A file's content.

    Raises:
        HostError: There is none.
    """
    content = host.files.read(path)
    if content is None:
        raise HostError(
            "MA3009", f"cannot read {path}: it is gone", hint="put it back, and run again"
        )
    return content


def kernel_of(host: Host) -> Kernel:
    """The running kernel.

    Raises:
        StepError: The host is a tree, which has none.
    """
    if host.kernel is None:
        raise StepError("MA3302", "the running kernel cannot be changed below another root")
    return host.kernel


def services_of(host: Host) -> Services:
    """The init system.

    Raises:
        StepError: The host is a tree, which has none.
    """
    if host.services is None:
        raise StepError("MA3402", "no unit can be changed below another root")
    return host.services


def _write(effects: Iterable[WriteFile], host: Host) -> None:
    """Write downloads first, so that a failing one leaves the other files as they were; then all the rest as one batch."""
    batch = []
    for effect in effects:
        write = _as_write(effect, host)
        # By itself: a batch's temporary files stay until its last one is whole, and a download
        # may take an hour.
        if callable(write.content):
            _write_download(write, host)
        else:
            batch.append(write)
    if batch:
        host.files.write(batch)


def _as_write(effect: WriteFile, host: Host) -> FileWrite:
    content = effect.content
    if content is None:
        content = _kept(effect, host)
    return FileWrite(
        path=effect.path,
        content=_fetched(content, effect.path, host) if isinstance(content, Download) else content,
        mode=effect.mode,
        uid=effect.uid,
        gid=effect.gid,
    )


def _kept(effect: WriteFile, host: Host) -> bytes | Download:
    """The content of a file that only gets another mode or owner. A download that has changed since it was compared is fetched again.

    The file is written again instead of chmod(2) in place: somebody may have exchanged it since it was compared, and would
    have root give a mode and an owner to a file of his own.
    """
    if not isinstance(effect.kept, Download):
        return effect.kept or b""
    import hashlib

    download, found = effect.kept, host.files.stat(effect.path)
    # Up to its size: a download may be far larger than what files are read up to otherwise.
    content = None if found is None else host.files.read(effect.path, limit=found.size)
    for name, digest in (("sha256", download.sha256), ("sha512", download.sha512)):
        if content is None or (digest and hashlib.new(name, content).hexdigest() != digest.lower()):
            return download
    return content or b""


def _write_download(write: FileWrite, host: Host) -> None:
    """Write one download; if its connection breaks, start over, a few times.

    Raises:
        HostError: As `Files.write`.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            host.files.write([write])
        except HostError as error:
            # Only a broken connection is worth it: a refused name or a 404 is the same a few
            # seconds later, and a wrong digest is final.
            if error.code != BROKEN_DOWNLOAD or attempt == _ATTEMPTS:
                raise
            host.clock.sleep(_PAUSE * attempt)
        else:
            return


def _fetched(download: Download, path: str, host: Host) -> Callable[[], Iterable[bytes]]:
    """The download's chunks. They end in an error if a digest is wrong, so that the file never gets its final name."""

    def chunks() -> Iterator[bytes]:
        import hashlib

        if host.fetch is None:
            raise StepError("MA3107", f"cannot write {path}: nothing can be downloaded here")
        # Lower case, as hexdigest() has it: people copy digests from pages that write them in
        # capitals.
        wanted = {"sha256": download.sha256.lower(), "sha512": download.sha512.lower()}
        sums = {name: hashlib.new(name) for name, digest in wanted.items() if digest}
        # The handler's token wins over a header of the same name, which was written when the
        # configuration was.
        headers = {**download.headers, **_authorization(download, path, host)}
        # In pieces: an image of several gigabytes must not be in memory, nor may its digest take
        # a second reading.
        for chunk in host.fetch.fetch(download.url, headers=headers):
            for sum_ in sums.values():
                sum_.update(chunk)
            yield chunk
        # Checked while the content is under its temporary name: nobody ever sees the wrong file at
        # the path.
        for name, sum_ in sums.items():
            if sum_.hexdigest() != wanted[name]:
                raise VerificationError(
                    "MA2001",
                    f"the download for {path} has the wrong digest: "
                    f"{name} is {sum_.hexdigest()}, not {wanted[name]}",
                    hint="the file at the URL has changed, or the digest belongs to another file",
                )

    return chunks


def _authorization(download: Download, path: str, host: Host) -> dict[str, str | Secret]:
    """The authorization header of a plugin. The token is asked for only now, since it may be valid for a minute only.

    Raises:
        StepError: No plugin can be asked here.
        PluginError: It gives no token.
    """
    if not download.handler:
        return {}
    if host.providers is None:
        message = f"cannot write {path}: handler {download.handler} cannot be asked here"
        raise StepError("MA3107", message)
    try:
        return {"Authorization": host.providers.authorization(download.handler, download.scope)}
    finally:
        host.providers.end()
