"""Commands to run on the machine at three moments."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ONE_LINE,
    ApiStruct,
    Duration,
    HostPath,
    OneOf,
    ValueSecret,
    ValueSource,
    VariableName,
    exactly_one,
)


class EnvironmentVariable(ApiStruct, frozen=True, kw_only=True):
    """One environment variable of a command; exactly one of `value` and `valueFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("value", "valueFrom"),)

    name: VariableName
    """Its name."""

    value: ValueSecret | None = None
    """Its value, possibly empty; treated as a secret, so never shown."""

    value_from: ValueSource | None = None
    """Where its value comes from."""


class RetryPolicy(ApiStruct, frozen=True, kw_only=True):
    """How often a failed command is retried."""

    limit: Annotated[int, Meta(ge=0, le=100)] = 0
    """Retries after the first attempt, 0 to 100. Default 0."""

    backoff: Duration = "5s"
    """Pause before the first retry, at most 1h; doubles with each one, up to 5m. Default `5s`."""


class Command(ApiStruct, frozen=True, kw_only=True):
    """One command; exactly one of `argv` and `script`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("argv", "script"),)

    argv: Annotated[
        tuple[Annotated[str, Meta(max_length=32768)], ...], Meta(min_length=1, max_length=256)
    ] = ()
    """The program and its arguments. Never passed through a shell: `$` and `*` are literal."""

    script: Annotated[str, Meta(min_length=1, max_length=131072)] | None = None
    """A script, run by `interpreter`, or by the program in its first line (`#!`)."""

    interpreter: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=512, extra=ONE_LINE)], ...],
        Meta(max_length=16),
    ] = ()
    """The program, with its arguments, that runs `script`, which is appended as a file name. Default: the
    script's first line if it begins with `#!`, else `/bin/sh -eu`."""

    env: Annotated[
        tuple[EnvironmentVariable, ...], Meta(max_length=100, extra={"unique": "name"})
    ] = ()
    """Environment variables in addition to PATH, HOME and LANG; nothing else is inherited."""

    working_directory: HostPath | None = None
    """Where it runs. Default `/`."""

    timeout: Duration = "10m"
    """How long one attempt may take; then it fails, and it and its children are killed.
    Default `10m`."""

    retries: RetryPolicy = RetryPolicy()
    """How often it is retried. Default: not at all."""

    on_failure: Literal["Fail", "Continue"] = "Fail"
    """`Fail`: the run ends. `Continue`: the report says that it failed, and the run continues.
    Default `Fail`."""

    success_exit_codes: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=255)], ...],
        Meta(min_length=1, max_length=256, extra={"unique": ""}),
    ] = (0,)
    """Exit codes that mean success. Default `[0]`."""

    platforms: Annotated[
        tuple[Literal["linux", "windows"], ...], Meta(max_length=2, extra={"unique": ""})
    ] = ()
    """Where it runs; elsewhere it is skipped. Default: everywhere."""


CommandList = Annotated[tuple[Command, ...], Meta(max_length=1000)]
"""Commands in the order in which they run."""


class Commands(ApiStruct, frozen=True, kw_only=True):
    """Commands by the moment at which they run, each list in its order."""

    boot: CommandList = ()
    """Run before everything else, and at every later boot. At most 1000."""

    pre_kubeadm: CommandList = ()
    """Run once, when the machine is prepared, right before kubeadm. At most 1000."""

    post_kubeadm: CommandList = ()
    """Run once, after kubeadm has succeeded. At most 1000."""

    kubeadm_file: (
        Annotated[
            str,
            Meta(
                min_length=6,
                max_length=512,
                extra={
                    "oneLine": True,
                    "pattern": r"^/run(/([A-Za-z0-9_-][A-Za-z0-9._-]*))+$",
                    "expected": "a path below /run",
                },
            ),
        ]
        | None
    ) = None
    """Where `preKubeadm` commands find a copy of the file that kubeadm is given, such as
    `/run/kubeadm/kubeadm.yaml`; mode 0400, gone when kubeadm has ended. To read only: a changed
    copy ends the run. Its content is kubeadm's matter and may change with any release. Default: none."""
