"""BootstrapStatus: what the agent reports, from the first second to the end."""

from typing import Annotated, Literal

from msgspec import Meta, field

from machineadm.api.meta import ONE_LINE, ApiStruct, ObjectMeta, Sha256, Timestamp

Message = Annotated[str, Meta(max_length=32768)]
"""Text for people, without any secret."""

Name = Annotated[str, Meta(max_length=512, extra=ONE_LINE)]
"""A short text in one line."""

Code = Annotated[str, Meta(max_length=6, extra={"oneLine": True, "pattern": "^(MA[0-9]{4})?$"})]
"""A stable code, `MA` and four digits; empty where there is none."""

Phase = Literal["Pending", "Preparing", "Bootstrapping", "Prepared", "Succeeded", "Failed"]
"""The phase of a bootstrap."""


class MachineIdentity(ApiStruct, frozen=True, kw_only=True):
    """Which machine reports."""

    hostname: Name = ""
    """Host name."""

    machine_id: Name = field(default="", name="machineID")
    """Content of /etc/machine-id."""

    boot_id: Name = field(default="", name="bootID")
    """Id of this boot."""

    provider_id: Name = field(default="", name="providerID")
    """Id of the machine in its cloud, from the configuration."""


class AgentIdentity(ApiStruct, frozen=True, kw_only=True):
    """Which agent reports."""

    version: Name
    """Version of the agent."""

    sha256: Sha256 | None = None
    """SHA-256 of the agent's file; absent where it is not a single file, and, unless the configuration's `agent` gives one
    to compare with, where the run found nothing to do."""


class StepReport(ApiStruct, frozen=True, kw_only=True):
    """One step of the plan."""

    name: Name
    """Its name, unique in the plan: `files`."""

    phase: Name
    """Its phase: `prepare`."""

    state: Literal["Pending", "Running", "Done", "Failed", "Skipped", "Deferred"]
    """Its state. `Deferred`: it needs the running system, but the run works below another root."""

    change: Literal["Changed", "AlreadyInPlace"] | None = None
    """Whether it changed anything, once it is done."""

    started_at: Timestamp | None = None
    """When it began (RFC 3339, UTC)."""

    duration: Annotated[float, Meta(ge=0)] | None = None
    """How long it took, in seconds."""

    code: Code = ""
    """Code of its error."""

    message: Message = ""
    """What it did, or why it failed."""


class Condition(ApiStruct, frozen=True, kw_only=True):
    """A condition, in the form that Kubernetes gives them."""

    type: Annotated[
        str,
        Meta(
            min_length=1, max_length=316, extra={"oneLine": True, "pattern": "^[A-Za-z0-9./_-]+$"}
        ),
    ]
    """Its type: `KubeadmSucceeded`."""

    status: Literal["True", "False", "Unknown"]
    """Whether it is true."""

    reason: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1024,
            extra={"oneLine": True, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
        ),
    ]
    """The reason, in one word."""

    message: Message = ""
    """The reason, for people."""

    last_transition_time: Timestamp
    """Since when (RFC 3339, UTC)."""

    observed_generation: Annotated[int, Meta(ge=0)] | None = None
    """Generation of the object that it describes; not set by the agent."""


class WarningReport(ApiStruct, frozen=True, kw_only=True):
    """Something in the configuration that is likely a mistake; it was carried out anyway."""

    code: Code
    """Stable code: `machineadm explain CODE` says more."""

    path: Message = ""
    """The field: `spec.machine.files[3].content`."""

    message: Message
    """What is wrong."""

    hint: Message = ""
    """What to do about it."""


class ErrorReport(ApiStruct, frozen=True, kw_only=True):
    """Why the bootstrap failed."""

    code: Code
    """Stable code: `machineadm explain CODE` says more."""

    message: Message
    """What happened."""

    hint: Message = ""
    """What to do about it."""

    exit_code: Annotated[int, Meta(ge=0, le=255)] | None = None
    """Exit code of the agent."""

    log_tail: Annotated[str, Meta(max_length=65536)] = ""
    """The last output of what failed, redacted, at most 64 KiB."""


class KubeadmReport(ApiStruct, frozen=True, kw_only=True):
    """How kubeadm was run and how it ended."""

    command: Annotated[tuple[Annotated[str, Meta(max_length=4096)], ...], Meta(max_length=64)] = ()
    """Its command line; it never contains a secret."""

    exit_code: int | None = None
    """Its exit code, negative for a signal."""

    phase: Name = ""
    """Its phase when it ended: `preflight`; empty when not known."""


class AttestationReport(ApiStruct, frozen=True, kw_only=True):
    """Evidence of the machine's identity, for anyone who can verify it."""

    plugin: Name
    """The plugin that gave it."""

    format: Name
    """What the evidence is, as the plugin says: `application/vnd.machineadm.tpm-quote.v1`."""

    challenge: Annotated[str, Meta(min_length=1, max_length=512, extra={"format": "base64"})]
    """What it was made for, in base64: SHA-256 over the configuration's digest, the machine id and the boot id, as the documentation
    of attestation says."""

    evidence: Annotated[str, Meta(min_length=1, max_length=1500000, extra={"format": "base64"})]
    """The evidence in base64, at most 1 MiB."""


class ControlReport(ApiStruct, frozen=True, kw_only=True):
    """How one control of a catalogue stood on the machine."""

    id: Name
    """Its number in the catalogue: `1.2.15`."""

    state: Literal["Holds", "Fails", "Excepted", "People", "NotHere", "Unknown"]
    """How it stands. `People`: no machine can say. `NotHere`: the machine has no such component or file. `Unknown`: what would show it
    cannot be read."""

    scored: bool = True
    """Whether the catalogue counts it."""

    set_by: Message = ""
    """What sets it: a field of the configuration, or whose work it is."""

    where: Message = ""
    """What was looked at: a path, an argument in a file."""

    found: Message = ""
    """The value that was there; or the reason of an exception."""


class ComplianceReport(ApiStruct, frozen=True, kw_only=True):
    """What the controls of a compliance profile found on the machine when it was done. That it is compliant is for people to say."""

    profile: Name
    """The profile: `cis`."""

    level: Annotated[int, Meta(ge=1, le=3)] = 1
    """The level that was asked for."""

    exceptions: Annotated[tuple[Message, ...], Meta(max_length=500)] = ()
    """Exceptions as the configuration has them: `1.1.12=etcd runs as root`."""

    edition: Name
    """The catalogue, and its edition."""

    judged_at: Timestamp
    """When the machine was looked at (RFC 3339, UTC)."""

    controls: Annotated[
        tuple[ControlReport, ...], Meta(max_length=1000, extra={"unique": "id"})
    ] = ()
    """Each control, in the catalogue's order."""


class BootstrapStatus(ApiStruct, frozen=True, kw_only=True):
    """The agent's report."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["BootstrapStatus"]
    """`BootstrapStatus`."""

    metadata: ObjectMeta | None = None
    """Not set by the agent."""

    phase: Phase
    """The phase of the bootstrap. `Prepared`: everything is done except what needs kubeadm or the running system."""

    machine: MachineIdentity = MachineIdentity()
    """Which machine reports."""

    attempt: Annotated[int, Meta(ge=1)] = 1
    """How many times this configuration was started, including this one."""

    agent: AgentIdentity
    """Which agent reports."""

    config_digest: Sha256 | None = None
    """SHA-256 of the configuration in its canonical form; absent before it is read."""

    started_at: Timestamp | None = None
    """When this run began (RFC 3339, UTC)."""

    finished_at: Timestamp | None = None
    """When it ended; absent while it runs."""

    steps: Annotated[tuple[StepReport, ...], Meta(max_length=10000)] = ()
    """The steps of the plan, in their order."""

    conditions: Annotated[tuple[Condition, ...], Meta(max_length=32, extra={"unique": "type"})] = ()
    """Conditions."""

    warnings: Annotated[tuple[WarningReport, ...], Meta(max_length=1000)] = ()
    """Warnings of `validate` for this configuration."""

    error: ErrorReport | None = None
    """Why it failed."""

    attestation: AttestationReport | None = None
    """What a plugin attested in this run."""

    kubeadm: KubeadmReport | None = None
    """How kubeadm ended, once it was run."""

    compliance: Annotated[
        tuple[ComplianceReport, ...], Meta(max_length=8, extra={"unique": "profile"})
    ] = ()
    """Evidence for each of `complianceProfiles`, looked at when all steps were done."""
