"""Render a stream of documents to user data, with every problem at its place in its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.pruned import PRUNED
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap, MachineBootstrapTemplate
from machineadm.config.paths import holds_pruned
from machineadm.config.secrets import secrets_of
from machineadm.documents.decoding import decode_kinds
from machineadm.documents.limits import Budget
from machineadm.documents.model import Document, Problem, in_order, problem_at
from machineadm.redaction import Secret
from machineadm.rendering.objects import (
    KINDS,
    ConfigMapObject,
    Resource,
    SecretObject,
    resource,
    text_of,
)
from machineadm.rendering.places import placed
from machineadm.rendering.render import Rendered, UnrenderedError, render


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a stream."""

    documents: tuple[Document, ...]
    bootstrap: MachineBootstrap | None
    """The one in it; of a MachineBootstrapTemplate, what is made from it."""

    resources: tuple[Resource, ...]
    problems: tuple[Problem, ...]

    def __repr__(self) -> str:
        return f"Bundle({len(self.documents)} documents)"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of rendering a stream."""

    rendered: Rendered | None
    """None if there are problems."""

    problems: tuple[Problem, ...]
    """All of them, in the order of the inputs."""

    warnings: tuple[Problem, ...]
    """What is allowed, but better otherwise."""


def read_bundle(inputs: Iterable[tuple[str, bytes]]) -> Bundle:
    """Read all documents of a stream.

    Args:
        inputs: Name and bytes of each input, in order.
    """
    # One for the whole stream: many inputs must not unfold to what one would be refused for.
    budget = Budget()
    documents = tuple(
        one
        for name, data in inputs
        for one in decode_kinds(data, file=name, kinds=KINDS, budget=budget)
    )
    resources = [
        # With its document, for the place of a finding about it.
        (document, resource(document.value))
        for document in documents
        if isinstance(document.value, SecretObject | ConfigMapObject)
    ]
    mains = [document for document in documents if is_main(document)]
    problems = [problem for one in documents for problem in one.problems]
    # Before any rendering: with two MachineBootstraps nobody knows which one a finding would be
    # about.
    problems += [*_about_the_stream(documents, mains), *_about_objects(resources)]
    return Bundle(
        documents=documents,
        # None with two of them as with none; each has its own problem.
        bootstrap=bootstrap_of(mains[0].value) if len(mains) == 1 else None,
        resources=tuple(one for _, one in resources),
        problems=tuple(problems),
    )


def secrets_of_bundle(bundle: Bundle) -> Iterator[Secret | str]:
    """Every secret of a stream, for redaction: values of its Secrets, and what the MachineBootstrap holds itself."""
    if bundle.bootstrap is not None and not holds_pruned(bundle.bootstrap):
        # Not of one with holes: walking it would raise, and then nothing of it is shown either.
        yield from secrets_of(bundle.bootstrap)
    for one in bundle.resources:
        if one.kind == "Secret":
            for value in one.values.values():
                if value is not PRUNED:
                    # Bytes that are not text cannot be in a message, but the text between them can.
                    yield value.decode(errors="ignore")


def render_bundle(
    bundle: Bundle, *, random: Callable[[int], bytes], template: str | None = None
) -> Outcome:
    """Render a stream's MachineBootstrap; arguments as of `render`."""
    problems = list(bundle.problems)
    warnings: tuple[Problem, ...] = ()
    rendered = None
    if bundle.bootstrap is not None:
        # The first is the only one, or there would be no bootstrap.
        main = next(document for document in bundle.documents if is_main(document))
        try:
            rendered = render(bundle.bootstrap, bundle.resources, random=random, template=template)
            warnings = tuple(
                placed(finding, main, bundle.documents) for finding in rendered.warnings
            )
        except UnrenderedError as error:
            # A document that cannot be read may be the missing one, so do not report it as missing.
            whole = all(document.value is not None for document in bundle.documents)
            problems += [
                placed(finding, main, bundle.documents)
                for finding in error.findings
                if whole or finding.code != "MA1601"
            ]
    if problems:
        # Without warnings: they would stand between errors and the user who looks for them.
        return Outcome(rendered=None, problems=in_order(problems, bundle.documents), warnings=())
    return Outcome(rendered=rendered, problems=(), warnings=warnings)


def is_main(document: Document) -> bool:
    """Whether a document is what is rendered."""
    return isinstance(document.value, MachineBootstrap | MachineBootstrapTemplate)


def bootstrap_of(value: MachineBootstrap | MachineBootstrapTemplate) -> MachineBootstrap:
    """The value itself, or what is made from a template."""
    if isinstance(value, MachineBootstrap):
        return value
    spec: Any = value.spec
    for part in ("template", "spec"):
        spec = spec if spec is PRUNED else getattr(spec, part)
    return MachineBootstrap(
        api_version="bootstrap.cluster.x-k8s.io/v1alpha1",
        kind="MachineBootstrap",
        metadata=value.metadata,
        spec=spec,
    )


def _about_the_stream(
    documents: Sequence[Document], mains: Sequence[Document]
) -> Iterator[Problem]:
    for document in mains[1:]:
        first = f"the first is document {mains[0].index} of {mains[0].file}"
        yield problem_at(document, Finding(code="MA1606", path="kind", message=_SECOND, hint=first))
    # A document that cannot be read may be the missing one.
    if not mains and all(document.value is not None for document in documents):
        yield problem_at(documents[0], _MISSING)


def _about_objects(resources: Sequence[tuple[Document, Resource]]) -> Iterator[Problem]:
    seen: dict[tuple[str, str, str], Document] = {}
    for document, one in resources:
        if not one.name:
            # A name that could not be decoded is missing for that reason, and was reported with it.
            if text_of(document.value.metadata, "name") or document.problems:
                continue
            message = f"a {one.kind} needs a name, so that it can be referred to"
            yield problem_at(
                document, Finding(code="MA1303", path="metadata.name", message=message)
            )
            continue
        # In a cluster the later one would replace the earlier; in a file nobody can say which was
        # meant.
        first = seen.setdefault((one.kind, one.namespace, one.name), document)
        if first is not document:
            message = f"{one.kind} {one.name} is a duplicate"
            hint = f"the first is document {first.index} of {first.file}"
            yield problem_at(
                document, Finding(code="MA1306", path="metadata.name", message=message, hint=hint)
            )


_SECOND = "a second MachineBootstrap; one is rendered at a time"
_MISSING = Finding(
    code="MA1605",
    path="",
    message="no document of kind MachineBootstrap or MachineBootstrapTemplate",
    hint="a stream has exactly one, with the Secrets and ConfigMaps that it refers to",
)
