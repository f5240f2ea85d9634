"""A copy of kubeadm's configuration for scripts to read, at the path that `commands.kubeadmFile` gives.

It is there while the commands before kubeadm run, and goes when kubeadm has ended well. kubeadm is never given it: a script that changes it would
change nothing, so the run ends, and says which field does what the script wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, NoReturn

import msgspec

from machineadm.errors import KubeadmError
from machineadm.host.effects import DropState, KeepState, RemoveFile, WriteFile
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import Change, Outcome, Phase, Step, Work, digest_of
from machineadm.steps.kubeadm.config import LayOutFiles
from machineadm.steps.kubeadm.record import read_record

_RECORD: Final = "kubeadm/shown.json"
_MOST_FIELDS: Final = 5


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What was written for scripts, in the state directory."""

    purpose: str
    """Digest of the commands and of kubeadm's own step."""
    path: str
    """Where."""
    sha256: str
    """Digest of the content (`digest_of`)."""
    changed: tuple[str, ...] | None = None
    """Fields that do what a script did to the file; None: nobody has changed it."""


class ShowFile(msgspec.Struct, frozen=True, kw_only=True):
    """Write the copy, before the commands."""

    path: str
    files: LayOutFiles
    purpose: str
    name: str = "kubeadm/file"
    phase: Phase = Phase.PRE_KUBEADM
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.path, self.purpose)

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            KubeadmError: The same commands have changed it in an earlier run.
        """
        if self._is_done(host):
            return Work(summary="kubeadm has ended")
        shown = _read(host)
        if shown is not None and shown.purpose == self.purpose:
            if shown.changed is not None:
                _refuse(self.path, shown.changed)
            # Whatever it holds now: `JudgeFile` judges that, after the commands.
            if host.files.stat(self.path) is not None:
                return Work(summary=f"{self.path} is there for commands")
        # As kubeadm will be given it, secrets included: a copy with masks would be another
        # document to whoever edits it.
        content = self.files.content(host)
        record = _Shown(purpose=self.purpose, path=self.path, sha256=digest_of(content))
        return Work(
            effects=(
                _kept(record),
                WriteFile(
                    # Read-only for its reader's sake: root can write to it all the same, and then
                    # `JudgeFile` says so.
                    path=self.path,
                    content=content,
                    mode=0o400,
                    uid=0,
                    gid=0,
                    sensitive=True,
                ),
            ),
            summary="shows commands what kubeadm is given",
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        from machineadm.actions.perform import perform

        perform(work.effects, host)
        return Outcome(change=work.change, message=work.summary)

    def _is_done(self, host: Host) -> bool:
        record = read_record(host, self.files.machine)
        return record is not None and record.event == "done"


class JudgeFile(msgspec.Struct, frozen=True, kw_only=True):
    """End the run where a command has changed the copy."""

    path: str
    files: LayOutFiles
    purpose: str
    name: str = "kubeadm/file-unchanged"
    phase: Phase = Phase.KUBEADM
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.path, self.purpose)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        changed = self._changed(host)
        if changed is None:
            return Work(summary="no command has changed it")
        return Work(effects=(_kept(changed),), summary=f"{self.path} was changed")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            KubeadmError: A command has changed it.
        """
        changed = self._changed(host)
        if changed is not None and changed.changed is not None:
            # Lasting: after a reboot the file is new, and the commands are done; kubeadm would run without what they wanted.
            host.state.write(_RECORD, msgspec.json.encode(changed), durable=True)
            _refuse(self.path, changed.changed)
        return Outcome(change=Change.ALREADY_IN_PLACE)

    def _changed(self, host: Host) -> _Shown | None:
        """The record with what was changed; None where nothing was. A script may remove the copy: that asks nothing of kubeadm."""
        shown, stat = _read(host), host.files.stat(self.path)
        if shown is None or shown.purpose != self.purpose or stat is None:
            return None
        content = host.files.read(self.path) if stat.kind is FileKind.FILE else b""
        if content is None or digest_of(content) == shown.sha256:
            return None
        # Loaded for a change alone: it reads YAML, and knows every field.
        from machineadm.steps.kubeadm.edited_fields import edited_fields

        fields = tuple(edited_fields(self.files.content(host), content))
        return msgspec.structs.replace(shown, changed=fields[:_MOST_FIELDS])


class HideFile(msgspec.Struct, frozen=True, kw_only=True):
    """Remove the copy, which holds secrets, when kubeadm has ended."""

    path: str
    name: str = "kubeadm/file-gone"
    phase: Phase = Phase.KUBEADM
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.path)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        if _read(host) is None:
            return Work(summary="it is gone")
        # The record goes last: after a kill in between, the next run knows by it that there may be a file.
        drop = DropState(name=_RECORD, durable=True)
        if host.files.stat(self.path) is None:
            return Work(effects=(drop,), summary="it is gone")
        remove = RemoveFile(path=self.path, sensitive=True, note="kubeadm has ended")
        return Work(effects=(remove, drop), summary="removes it: kubeadm has ended")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        from machineadm.actions.perform import perform

        perform(work.effects, host)
        return Outcome(change=work.change, message=work.summary)


def remove_shown(host: Host) -> None:
    """Remove the copy of a run that did not come to its end, and the record of it: it holds kubeadm's token."""
    shown = _read(host)
    if shown is not None:
        host.files.remove(shown.path)
    host.state.remove(_RECORD, durable=True)


def plan_shown(
    path: str, files: LayOutFiles, commands: Sequence[Step]
) -> tuple[ShowFile, JudgeFile, HideFile]:
    """The steps before the commands, between them and kubeadm, and after kubeadm.

    Args:
        path: Where.
        files: What kubeadm is given.
        commands: Those that may read it.
    """
    purpose = digest_of(path, files.purpose, *(command.digest() for command in commands))
    return (
        ShowFile(path=path, files=files, purpose=purpose),
        JudgeFile(path=path, files=files, purpose=purpose),
        HideFile(path=path),
    )


def _kept(record: _Shown) -> KeepState:
    return KeepState(name=_RECORD, content=msgspec.json.encode(record), durable=True)


def _read(host: Host) -> _Shown | None:
    content = host.state.read(_RECORD, durable=True)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=_Shown)
    except (ValueError, RecursionError):
        return None


def _refuse(path: str, fields: Sequence[str]) -> NoReturn:
    """End the run.

    Raises:
        KubeadmError: Always.
    """
    instead = (
        f"say it with {', '.join(fields)}" if fields else "say it with a field of spec.kubernetes"
    )
    raise KubeadmError(
        "MA4047",
        f"a command has changed {path}, which is a copy of what kubeadm is given: the change would be lost",
        hint=f"{instead}, take the change out of the command, and run again",
    )
