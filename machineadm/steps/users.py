"""Users and groups, by the distribution's own programs; their sudo rules and SSH keys, as files.

An account is created or changed, but never removed: files on the machine may belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.judged import JudgedFiles
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.users import Group, User
from machineadm.config.machine_paths import SUDOERS, home_of
from machineadm.errors import MachineadmError, StepError
from machineadm.host.effects import Effect, MakeDirectory, RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Owned, Phase, Step, Work, digest_of

_TIMEOUT: Final = 60.0
_EXPIRED: Final = "1"
"""The second day of 1970, as useradd takes a day that is long past; 0 some programs take for none."""

_CANDIDATE: Final = "sudoers"
_LOCKED: Final = ("!", "*")


class _Command(msgspec.Struct, frozen=True, kw_only=True):
    """A program that creates or changes an account."""

    argv: tuple[str, ...]
    input: str = ""
    """For its standard input: a hash is on no command line."""


class EnsureGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Create a group; groupadd(8)."""

    group: Group
    name: str
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        group = self.group
        return digest_of(self.name, group.name, str(group.gid), str(group.system))

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return (Owned(kind="account", name=f"group {self.group.name}"),)

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: A group of that name has another id.
        """
        wanted, found = self.group, _entry(host, "/etc/group", self.group.name)
        if found is None:
            return _work(self._commands())
        # Not changed with groupmod: the files of the old id would belong to nobody, or to whoever
        # gets the number next.
        if wanted.gid is not None and found[2] != str(wanted.gid):
            raise StepError(
                "MA3501",
                f"group {wanted.name} is there already with id {found[2]}, not {wanted.gid}",
                hint="files may belong to it, so it was left as it is: use its id, or another name",
            )
        return Work(summary=f"{wanted.name} is there")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        if work.effects:
            _run(self._commands(), host, self.group.name)
        return Outcome(change=work.change)

    def _commands(self) -> tuple[_Command, ...]:
        group = self.group
        argv = ["groupadd"]
        # Only a range of ids: groupadd takes both options, and then the given id counts.
        argv += ["--system"] if group.system else []
        argv += ["--gid", str(group.gid)] if group.gid is not None else []
        return (_Command(argv=(*argv, group.name)),)


class EnsureUser(msgspec.Struct, frozen=True, kw_only=True):
    """Create a user, or change an existing one; useradd(8), usermod(8), chpasswd(8)."""

    user: User
    name: str
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        user = self.user
        # The hash counts, so that a changed password is a changed step; the digest does not give
        # it away.
        hashed = user.password_hash.reveal() if user.password_hash is not None else ""
        return digest_of(
            self.name,
            *(
                str(getattr(user, field))
                for field in user.__struct_fields__
                if field not in ("password_hash", "sudo", "ssh_authorized_keys")
            ),
            hashed,
        )

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return (Owned(kind="account", name=f"user {self.user.name}"),)

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: The user's home is elsewhere, so sshd would not look where the keys are written.
        """
        user, found = self.user, _entry(host, "/etc/passwd", self.user.name)
        keyed = user.home_dir is None and user.ssh_authorized_keys
        if found is not None and keyed and found[5] != home_of(user):
            raise StepError(
                "MA3501",
                f"user {user.name} is there already with its home in {found[5]}, not {home_of(user)}",
                hint=f"say homeDir: {found[5]}, so that its keys go there",
            )
        commands = self._commands(host)
        if not self._lacks_keys_directory(host):
            return _work(commands) if commands else Work(summary=f"{user.name} is as it must be")
        # The owner is resolved when it is made: useradd may have yet to choose the number.
        directory = MakeDirectory(path=self._keys_directory, mode=0o700, note=f"of {user.name}")
        work = _work(commands)
        return Work(
            effects=(*work.effects, directory),
            summary=", ".join(filter(None, (work.summary, "a directory for keys"))),
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: A program failed.
        """
        # Twice: which commands the password needs depends on what useradd has left in /etc/shadow.
        for _ in range(2):
            commands = self._commands(host)
            _run(commands, host, self.user.name)
        if self._lacks_keys_directory(host):
            user = self.user
            uid, gid = host.accounts.uid(user.name), host.accounts.login_gid(user.name)
            if user.primary_group is not None:
                gid = host.accounts.gid(user.primary_group)
            if uid is None or gid is None:
                raise StepError("MA3502", f"{user.name}: useradd made no such account")
            # Before the keys: a directory that our file writer creates belongs to root, and the user could not write
            # known_hosts into it. Not by install(1), which works by name: in a home the user may exchange the name for a
            # link meanwhile, and root would give away what it leads to.
            host.files.make_directory(self._keys_directory, mode=0o700, owner=(uid, gid))
        return Outcome(change=work.change)

    @property
    def _keys_directory(self) -> str:
        return f"{home_of(self.user)}/.ssh"

    def _lacks_keys_directory(self, host: Host) -> bool:
        return bool(self.user.ssh_authorized_keys) and host.files.stat(self._keys_directory) is None

    def _commands(self, host: Host) -> tuple[_Command, ...]:
        found = _entry(host, "/etc/passwd", self.user.name)
        account = self._made(host) if found is None else self._changed(found, host)
        return (*account, *self._password(host))

    def _made(self, host: Host) -> Iterator[_Command]:
        user = self.user
        # Asked for by name: whether useradd creates homes by default depends on CREATE_HOME in
        # /etc/login.defs, which distributions set differently.
        argv = ["useradd", "--create-home", "--home-dir", home_of(user)]
        argv += ["--system"] if user.system else []
        # With --user-group useradd creates a group of the user's name, and fails if there is one.
        own = _entry(host, "/etc/group", user.name) is not None
        primary = user.primary_group or (user.name if own else None)
        argv += ["--gid", primary] if primary else ["--user-group"]
        argv += ["--comment", user.gecos] if user.gecos is not None else []
        argv += ["--shell", user.shell] if user.shell is not None else []
        argv += ["--groups", ",".join(user.groups)] if user.groups else []
        argv += ["--expiredate", self._expires] if self._expires else []
        yield _Command(argv=(*argv, user.name))

    def _changed(self, found: Sequence[str], host: Host) -> Iterator[_Command]:
        user = self.user
        argv: list[str] = []
        primary = _entry(host, "/etc/group", user.primary_group) if user.primary_group else None
        for option, wanted, now in (
            ("--comment", user.gecos, found[4]),
            ("--home", user.home_dir, found[5]),
            ("--shell", user.shell, found[6]),
        ):
            if wanted is not None and wanted != now:
                argv += [option, wanted]
        if user.primary_group and (primary is None or primary[2] != found[3]):
            argv += ["--gid", user.primary_group]
        missing = [one for one in user.groups if not self._is_in(one, host)]
        # Appended: without --append usermod takes the user out of every group that is not named,
        # those of the image included.
        argv += ["--append", "--groups", ",".join(missing)] if missing else []
        shadow = _entry(host, "/etc/shadow", user.name)
        # An ordinary user who plans cannot read /etc/shadow: what he cannot see is not called
        # different.
        if self._expires and shadow is not None and shadow[7] != _days(self._expires):
            argv += ["--expiredate", self._expires]
        if argv:
            yield _Command(argv=("usermod", *argv, user.name))

    @property
    def _expires(self) -> str:
        return _EXPIRED if self.user.inactive else self.user.expire_date or ""

    def _is_in(self, group: str, host: Host) -> bool:
        found = _entry(host, "/etc/group", group)
        return found is not None and self.user.name in found[3].split(",")

    def _password(self, host: Host) -> Iterator[_Command]:
        """The hash on standard input, then the lock, which is a `!` before the hash in /etc/shadow."""
        user = self.user
        shadow = _entry(host, "/etc/shadow", user.name)
        # A new account is locked by useradd, and the plan is made before there is one.
        now = shadow[1] if shadow is not None else "!"
        hashed = user.password_hash.reveal() if user.password_hash is not None else None
        locked = user.lock_password or user.inactive
        if hashed is not None and now.lstrip("!") != hashed:
            # Not `usermod --password`: its argument is in the process list.
            yield _Command(argv=("chpasswd", "--encrypted"), input=f"{user.name}:{hashed}\n")
            now = hashed
        # After the hash, because setting one removes the lock.
        if locked and not now.startswith(_LOCKED):
            yield _Command(argv=("usermod", "--lock", user.name))
        elif not locked and hashed is not None and now.startswith("!"):
            yield _Command(argv=("usermod", "--unlock", user.name))


class WriteSudoers(JudgedFiles, frozen=True, kw_only=True):
    """Write the sudo rules, after visudo(8) has checked them: one bad file in sudoers.d turns sudo off for everybody."""

    file: PlannedFile
    name: str = "users/sudo"
    live: ClassVar[bool] = True
    program: ClassVar[str] = "visudo"

    @property
    def files(self) -> WriteFiles:
        """See `JudgedFiles.files`."""
        return WriteFiles(name=self.name, phase=self.phase, files=(self.file,), live=True)

    def judge(self, host: Host) -> None:
        """See `JudgedFiles.judge`.

        Raises:
            StepError: visudo refuses the rules.
        """
        content = self.file.content
        # In the run directory, where sudo does not look.
        host.state.write(_CANDIDATE, content if isinstance(content, bytes) else b"", durable=False)
        path = f"{host.state.run_directory}/{_CANDIDATE}"
        try:
            found = (
                host.queries.ask(["visudo", "-c", "-f", path], timeout=_TIMEOUT)
                if host.queries
                else None
            )
        finally:
            host.state.remove(_CANDIDATE, durable=False)
        if found is not None and found.exit_code != 0:
            # The reader knows the rules by their final place, and the candidate is gone when he
            # reads this.
            said = found.output.strip().replace(path, SUDOERS)
            raise StepError(
                "MA3503",
                "visudo refuses the rules for sudo; none is written",
                hint="a rule is the part after the user's name in sudoers(5): ALL=(ALL) NOPASSWD:ALL",
                log_tail=said,
            )


def plan_users(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """Groups, users, then what belongs to them; no step without any."""
    if not linux.users and not linux.groups:
        return ()
    declared = {group.name for group in linux.groups}
    # useradd creates the group of the user's own name. Other groups must exist before, or it fails.
    wanted = [
        name
        for user in linux.users
        for name in (*filter(None, (user.primary_group,)), *user.groups)
        if name not in declared and name != user.name
    ]
    groups = (*linux.groups, *(Group(name=name) for name in dict.fromkeys(wanted)))
    return (
        *(EnsureGroup(group=group, name=f"users/group/{group.name}") for group in groups),
        *(EnsureUser(user=user, name=f"users/user/{user.name}") for user in linux.users),
        *_sudoers(linux.users),
        *_keys(linux.users),
    )


def _sudoers(users: Sequence[User]) -> Iterator[Step]:
    # One file for all: visudo judges it as a whole, and an alias of one rule may be used by the
    # next.
    rules = "".join(f"{user.name} {user.sudo}\n" for user in users if user.sudo is not None)
    if rules:
        yield WriteSudoers(file=PlannedFile(path=SUDOERS, content=rules.encode(), mode=0o440))


def _keys(users: Sequence[User]) -> Iterator[Step]:
    """The steps that append keys to those a file has already, so that the image's own access stays."""
    files = tuple(
        PlannedFile(
            path=f"{home_of(user)}/.ssh/authorized_keys",
            content="".join(f"{key}\n" for key in user.ssh_authorized_keys).encode(),
            mode=0o600,
            # sshd ignores keys that belong to somebody else (StrictModes in sshd_config(5)). Without a group, that of
            # the account: an account of the image need not have a group of its own name.
            owner=f"{user.name}:{user.primary_group}" if user.primary_group else user.name,
            append=True,
        )
        for user in users
        if user.ssh_authorized_keys
    )
    if files:
        yield WriteFiles(name="users/keys", phase=Phase.PREPARE, files=files, live=True)


def _entry(host: Host, path: str, name: str) -> list[str] | None:
    """The fields of an account in a file like passwd(5); None if there is none, or the file cannot be read."""
    try:
        content = host.files.read(path) or b""
    except MachineadmError:
        return None  # /etc/shadow, to an ordinary user who asks for a plan
    for line in content.decode(errors="replace").splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) >= 4:
            # Filled up to the nine fields of shadow(5), so that every reader can index what it
            # knows.
            return [*fields, *[""] * (9 - len(fields))]
    return None


def _days(day: str) -> str:
    """Days since 1970, as /etc/shadow counts them."""
    from datetime import date

    return day if day.isdecimal() else str((date.fromisoformat(day) - date(1970, 1, 1)).days)


def _work(commands: Sequence[_Command]) -> Work:
    effects: tuple[Effect, ...] = tuple(
        RunProgram(title=command.argv[0], argv=command.argv) for command in commands
    )
    return Work(effects=effects, summary=", ".join(command.argv[0] for command in commands))


def _run(commands: Sequence[_Command], host: Host, who: str) -> None:
    """Run programs that create or change an account.

    Raises:
        StepError: One failed.
    """
    for command in commands:
        if host.commands is None:
            raise StepError("MA3402", "no account can be made below another root")
        done = host.commands.run(
            # Bounded: the programs wait for the lock of /etc/passwd, which a killed one may have
            # left.
            command.argv,
            timeout=_TIMEOUT,
            input=command.input.encode() if command.input else None,
        )
        if done.timed_out or done.exit_code != 0:
            how = "did not end" if done.timed_out else f"ended with exit code {done.exit_code}"
            raise StepError(
                "MA3502",
                f"{who}: {command.argv[0]} {how}",
                hint="its words are in the report; another program may hold the lock of /etc/passwd",
                log_tail=done.output,
                passing=True,
            )
