"""What all subcommands share: a parser that raises coded errors, options that environment variables can set, durations."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from machineadm.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from contextlib import AbstractContextManager

    from machineadm.agent.request import Request
    from machineadm.agent.wiring import Machine
    from machineadm.sources.passphrases import GivenPassphrases

# Written out once: commands repeat these words in what they note for a resumed run.
ALLOW_UNAUTHENTICATED = "--allow-unauthenticated-encryption"
ALLOW_UNKNOWN_VERSION = "--allow-unknown-version"
ALLOW_UNVERIFIED = "--allow-unverified-plugins"
# /run is empty after each boot and the other is not, which is what tells a run that was cut off
# from one that is going on.
RUN_DIRECTORY = "/run/machineadm"
STATE_DIRECTORY = "/var/lib/machineadm"
# What is not in here sends the command line to argparse, so that a new kind of option is slow
# rather than wrong.
_UNDERSTOOD = frozenset({"action", "choices", "default", "help", "metavar", "required", "type"})
"""Settings of an option that can be read without argparse."""

# What systemd takes for a boolean (parse_boolean), without y, t and the like.
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


class Parser:
    """The options of a command.

    A command line without a mistake is read here. argparse takes longer to import than to parse, so it is used only for
    help, for positional arguments, and to say what is wrong with a command line.

    Args:
        prog: What the command is called.
        description: What it does, for its help.
    """

    def __init__(self, *, prog: str, description: str | None = None) -> None:
        self.prog = prog
        self._description = description
        self._arguments: list[tuple[str, dict[str, Any]]] = []
        # Apart from the defaults, because argparse's "append" adds to a default where it should
        # replace it.
        self._lists: dict[str, list[str]] = {}

    def read(self, argv: list[str]) -> Namespace:
        """Parse the arguments. Lists from the environment count only if the command line gives none.

        Raises:
            UsageError: MA7001, the command line is wrong.
        """
        # Without argparse first; it is asked only where that fails, and then says the same as ever.
        values = self.plain(argv)
        if values is None:
            values = vars(self.judge(argv))
        for name, given in self._lists.items():
            if values[name] is None:
                values[name] = given
        return cast("Namespace", SimpleNamespace(**values))

    def plain(self, argv: list[str]) -> dict[str, Any] | None:
        """Read a command line of nothing but options and their values. None: argparse must judge it."""
        values, missing = {}, set()
        for name, settings in self._arguments:
            # A positional argument, or a setting that is not read here: argparse for the whole
            # command line, never half of it.
            if not name.startswith("--") or settings.keys() - _UNDERSTOOD:
                return None
            switch = settings.get("action") == "store_true"
            # argparse's own defaults: False for a switch, None for everything else.
            values[name] = settings.get("default", False if switch else None)
            if settings.get("required"):
                missing.add(name)
        options, given = dict(self._arguments), set()
        words = iter(argv)
        for word in words:
            # `--name=value` and `--name value` alike. `--nam` is left to argparse, which refuses
            # abbreviations here: a script that uses one breaks when a second option begins so.
            name, equals, value = word.partition("=")
            settings = options.get(name, {})
            action = settings.get("action")
            if not settings or (action == "store_true" and equals):
                return None
            given.add(name)
            if action == "store_true":
                values[name] = True
                continue
            if not equals:
                # "--" where there is no further word: it begins with a hyphen and is refused below,
                # so a missing value and an option in its place are one case.
                value = next(words, "--")
                if value.startswith("-") and value != "-":
                    return None  # an option or a negative number: argparse can tell
            try:
                converted = settings.get("type", str)(value)
            except Exception:
                return None  # argparse has the words for what is wrong
            # argparse lists the choices in its message, so it has to say it.
            if converted not in settings.get("choices", (converted,)):
                return None
            values[name] = [*(values[name] or ()), converted] if action == "append" else converted
        # argparse names everything that is missing in one message.
        if missing - given:
            return None
        # As argparse does it (parse_known_args): a default that is a string is converted like a
        # value, and others are not.
        for name in values.keys() - given:
            default, convert = values[name], options[name].get("type")
            if isinstance(default, str) and convert:
                try:
                    values[name] = convert(default)
                except Exception:
                    return None
        return {name[2:].replace("-", "_"): value for name, value in values.items()}

    def judge(self, argv: list[str]) -> Namespace:
        """Parse the arguments with argparse, which prints help if asked to.

        Raises:
            UsageError: MA7001, the command line is wrong.
        """
        import argparse

        command, options = self.prog, [name for name, _ in self._arguments]

        # Here, since the base class is only imported here.
        class Judge(argparse.ArgumentParser):
            # argparse prints its usage and exits with 2; here every failure has a code and goes the
            # one way out.
            def error(self, message: str) -> NoReturn:
                hint = _meant(message, argv, options)
                raise UsageError(
                    "MA7001",
                    message,
                    hint=f"{hint}; {command} --help" if hint else f"{command} --help",
                )

        # Without a width argparse imports shutil for every option, to ask for the size of the terminal.
        parser = Judge(
            prog=command,
            description=self._description,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, width=100),
        )
        for name, settings in self._arguments:
            parser.add_argument(name, **settings)
        return parser.parse_args(argv)

    @property
    def arguments(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Every option and positional argument, with its settings."""
        return tuple(self._arguments)

    def add_argument(self, name: str, **settings: Any) -> None:
        """Add an option, or a positional argument.

        Args:
            name: As on the command line.
            settings: As of argparse's `add_argument`.
        """
        self._arguments.append((name, settings))

    def add_option(self, name: str, **settings: Any) -> None:
        """Add an option that MACHINEADM_<OPTION> can set as well; the command line wins.

        Args:
            name: As on the command line, with both dashes.
            settings: As of `add_argument`. With `action="append"` the variable holds one value a line.

        Raises:
            UsageError: The option does not take the variable's value.
        """
        variable = "MACHINEADM_" + name.lstrip("-").upper().replace("-", "_")
        if name.startswith("--allow-"):
            # No variable for options that weaken a check: somebody must write them on the command line, each time.
            self.add_argument(name, **settings)
            return
        given = os.environ.get(variable)
        if settings.get("action") == "append":
            # By lines, since a path may hold blanks, commas and colons, but a variable in a unit
            # file is one string.
            lines = [line for line in (given or "").splitlines() if line]
            # A required option that its variable fulfils is not missing.
            settings["required"] = settings.get("required", False) and not lines
            if lines:
                # Not as a default: argparse would append the values of the command line to it.
                self._lists[name.lstrip("-").replace("-", "_")] = lines
        elif given is not None:
            # What a variable gives is not missing on the command line.
            settings.pop("required", None)
            settings["default"] = _from_environment(variable, given, settings)
        # completion.py cuts it off again at " [MACHINEADM_".
        settings["help"] = f"{settings['help']} [{variable}]"
        self.add_argument(name, **settings)

    def add_path(self, *, required: bool = True, directories: bool = False) -> None:
        """Add where the configuration is read from.

        Args:
            required: It must be given.
            directories: It may be a directory of fragments.
        """
        self.add_option(
            "--path",
            metavar="FILE|DIR|-|URI" if directories else "FILE|-|URI",
            # An empty path comes from a script's variable that is not set, and `""` would be read
            # as the current directory by some calls and refused by others.
            type=named,
            action="append",
            required=required,
            help="configuration; several files are read as one stream, in order; - is standard input"
            + ("; the files of a directory are merged" if directories else ""),
        )

    def add_merge(self) -> None:
        """Add what makes fragments of all inputs."""
        self.add_option(
            "--merge",
            action="store_true",
            help="merge the MachineConfigurations of all inputs, a later one above an earlier one, as those of a directory are",
        )

    def add_passphrases(self) -> None:
        """Add where passphrases come from."""
        self.add_option(
            "--passphrase-file",
            metavar="[PROVIDER=]FILE",
            action="append",
            help="file with the passphrase of a provider of EncryptedData, or of all that have no file; "
            "default /etc/machineadm/passphrases/PROVIDER",
        )
        self.add_option(
            # A descriptor leaves no file behind and is in no list of processes, unlike an argument
            # or a variable.
            "--passphrase-fd",
            metavar="[PROVIDER=]N",
            action="append",
            help="the same, from an open file descriptor",
        )
        self.add_option(
            "--plugin-dir",
            metavar="DIR",
            type=named,
            action="append",
            help="directory searched first for plugins, which are asked for passphrases that are in no file",
        )
        self.add_option(
            ALLOW_UNVERIFIED,
            action="store_true",
            help="also run plugins without a checksum file",
        )

    def add_opening(self) -> None:
        """Add everything that opening EncryptedData needs."""
        self.add_passphrases()
        self.add_option(
            ALLOW_UNAUTHENTICATED,
            action="store_true",
            help="also open aes-256-cbc without mac, although anyone in transit may have changed it",
        )

    def add_instance_data(self) -> None:
        """Add the file of instance data."""
        self.add_option(
            "--instance-data",
            metavar="FILE",
            type=named,
            help="values of instance data by name, as in cloud-init's instance-data.json; they take precedence",
        )

    def add_directories(self) -> None:
        """Add where the runner's own files and the machine's root are."""
        self.add_option(
            "--root",
            metavar="DIR",
            type=named,
            help="work on the tree below DIR, and run no commands",
        )
        self.add_option(
            "--state-dir",
            metavar="DIR",
            default=STATE_DIRECTORY,
            # Absolute, since units that are written for a resumed run have no working directory.
            type=absolute,
            help=f"journal and report that survive a reboot (default {STATE_DIRECTORY})",
        )
        self.add_option(
            "--run-dir",
            metavar="DIR",
            default=RUN_DIRECTORY,
            type=absolute,
            help=f"lock and current report (default {RUN_DIRECTORY})",
        )

    def add_output(self, *more: str) -> None:
        """Add the choice between text, JSON and more."""
        # The words of help and the choices come from the same tuple.
        *first, last = ("text (default)", "json", *more)
        self.add_option(
            "--output",
            choices=("text", "json", *more),
            default="text",
            help=f"{', '.join(first)} or {last}",
        )


def add_configuration(
    parser: Parser, *outputs: str, preparation: str = "stop before kubeadm (for images)"
) -> None:
    """Add what bootstrap, plan and `check node` share.

    Args:
        parser: Of the command.
        outputs: Forms of output beside text and JSON.
        preparation: What that mode means to the command.
    """
    parser.add_path(directories=True)
    parser.add_merge()
    parser.add_option(
        "--require-signature",
        metavar="FILE",
        type=named,
        action="append",
        help="public key that every input must be signed with, beside what the image demands; the signature is in PATH.sig",
    )
    parser.add_option(
        "--mode",
        choices=("provisioning", "preparation"),
        default="provisioning",
        help=f"preparation: {preparation}",
    )
    add_unknown_version(parser)
    parser.add_opening()
    parser.add_instance_data()
    parser.add_directories()
    parser.add_output(*outputs)


def request_of(
    arguments: Namespace, *, passphrases: GivenPassphrases | None = None, **more: Any
) -> Request:
    """What a command line asks about a configuration.

    Args:
        arguments: With the options of `add_configuration`.
        passphrases: What opens its documents; None: as the command line says.
        more: Further fields of the request.
    """
    from machineadm.agent.request import Request
    from machineadm.cli.passphrases import passphrases_of

    return Request(
        paths=tuple(arguments.path),
        merge=arguments.merge,
        signature_keys=tuple(arguments.require_signature or ()),
        mode=arguments.mode,
        # bootstrap brings its own, because it wants to be told what a plugin logs.
        passphrases=passphrases or passphrases_of(arguments),
        allow_unauthenticated=arguments.allow_unauthenticated_encryption,
        allow_unknown_version=arguments.allow_unknown_version,
        instance_data=arguments.instance_data,
        **more,
    )


def machine_of(arguments: Namespace, **more: Any) -> AbstractContextManager[Machine]:
    """The machine that a command line is about.

    Args:
        arguments: With the options of `add_configuration`.
        more: Further arguments of `connect`.
    """
    from machineadm.agent.wiring import connect

    return connect(
        root=arguments.root,
        run_directory=arguments.run_dir,
        state_directory=arguments.state_dir,
        # None where the option was not given: it is a list that appends.
        plugin_directories=arguments.plugin_dir or (),
        allow_unverified_plugins=arguments.allow_unverified_plugins,
        **more,
    )


def add_unknown_version(parser: Parser) -> None:
    """Add the option that accepts a Kubernetes that is too new for this release to know."""
    parser.add_option(
        ALLOW_UNKNOWN_VERSION,
        action="store_true",
        help="accept a Kubernetes that is newer than this release knows (`version` shows the range)",
    )


def duration(text: str) -> float:
    """Seconds of a duration as Go writes it: `30m`, `1h30m`, `1.5s`, `500ms`.

    Raises:
        argparse.ArgumentTypeError: It is not one, or not positive.
    """
    # The reader of the configuration's own durations, so that both take the same forms.
    from machineadm.api.formats import seconds

    try:
        length = seconds(text)
    except ValueError:
        _mistake(f"{text!r} is not a duration such as 30m, 1h30m or 500ms")
    # A deadline of zero would end a run before its first step, and zero is often meant as "none".
    if length <= 0:
        _mistake("a duration must be more than zero")
    return length


def named(text: str) -> str:
    """A path that is not empty, as it is if a script's variable was never set.

    Raises:
        argparse.ArgumentTypeError: It is.
    """
    if not text:
        _mistake("the path is empty")
    return text


def absolute(text: str) -> str:
    """An absolute path without `..`, for a directory that is named as seen from the root.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    if not text.startswith("/") or ".." in text.split("/"):
        _mistake(f"{text!r} is not an absolute path without ..")
    # Not os.path.normpath: it keeps two leading slashes (POSIX gives them a meaning), which the
    # comparison of directories would trip over.
    return "/" + "/".join(part for part in text.split("/") if part not in ("", "."))


def _meant(message: str, argv: list[str], options: list[str]) -> str:
    """What the command line was to be, where argparse's words do not lead there; empty: nobody can tell."""
    from machineadm.nearest import suggest

    # Without their values: a value may look like an option.
    given = [word.partition("=")[0] for word in argv if word.startswith("--")]
    # argparse complains of what is missing first, and of the mistyped name not at all.
    for name in given:
        if name not in options and (near := suggest(name, options)):
            return f"did you mean {near}?"
    # What most other programs take: the file alone.
    if "--path" in options and ("required: --path" in message or "unrecognized" in message):
        return "each file is given by --path FILE"
    return ""


def _mistake(message: str) -> NoReturn:
    """Refuse a value the way argparse expects it from an option's type.

    Raises:
        ArgumentTypeError: Always.
    """
    from argparse import ArgumentTypeError

    raise ArgumentTypeError(message)


def _from_environment(variable: str, given: str, settings: dict[str, Any]) -> object:
    if settings.get("action") == "store_true":
        # Strict, because the shell's habit of "anything that is not empty is true" would make
        # MACHINEADM_STRICT=no strict.
        if given.lower() not in _TRUE + _FALSE:
            raise UsageError("MA7001", f"{variable}: {given!r} is neither true nor false")
        return given.lower() in _TRUE
    choices = settings.get("choices")
    if choices and given not in choices:
        raise UsageError("MA7001", f"{variable}: {given!r} is not one of {', '.join(choices)}")
    # Both parsers convert a default that is a string with the option's own type.
    return given
