"""/etc/machineadm/plugins.yaml: plugins that are needed before a configuration can be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machineadm.api.v1alpha1.plugins import PluginConfiguration, PluginEntry
from machineadm.errors import PluginError

if TYPE_CHECKING:
    from machineadm.documents.model import Document, Problem

CONFIGURATION: Final = "/etc/machineadm/plugins.yaml"

_KINDS: Final[dict[tuple[str, str], type]] = {
    ("bootstrap.cluster.x-k8s.io/v1alpha1", "PluginConfiguration"): PluginConfiguration
}


def read_entries(data: bytes, *, file: str) -> tuple[PluginEntry, ...]:
    """The plugins of a PluginConfiguration.

    Args:
        data: One document or several.
        file: Its name, for messages.

    Raises:
        PluginError: MA7206: It cannot be read; all its problems are in `log_tail`.
    """
    documents = _documents(data, file)
    entries = [entry for document in documents for entry in document.value.spec.plugins]
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        # Over all documents of the file: a second entry would be ignored, and somebody believes in
        # it.
        if (entry.kind, entry.name) in seen:
            raise PluginError(
                "MA7206",
                f"{file}: plugin {entry.name!r} of kind {entry.kind} is listed twice",
                hint="keep one of them",
            )
        seen.add((entry.kind, entry.name))
    return tuple(entries)


def read_catalogs(data: bytes, *, file: str) -> tuple[str, ...]:
    """The catalogs of a PluginConfiguration, in order.

    Args:
        data: One document or several.
        file: Its name, for messages.

    Raises:
        PluginError: MA7206: It cannot be read.
    """
    return tuple(one for document in _documents(data, file) for one in document.value.spec.catalogs)


def _documents(data: bytes, file: str) -> tuple[Document, ...]:
    """The documents, typed and fit.

    Raises:
        PluginError: MA7206: They are not; all their problems are in `log_tail`.
    """
    # Imported here: a machine without plugins.yaml does not read it.
    from machineadm.documents.decoding import decode_kinds
    from machineadm.documents.printing import as_text

    documents = decode_kinds(data, file=file, kinds=_KINDS)
    problems = [problem for document in documents for problem in document.problems]
    if not problems:
        problems = [problem for document in documents for problem in _unfit(document)]
    if problems:
        first = problems[0]
        where = f"{first.file}:{first.line}:{first.column}"
        path = f" {first.path}:" if first.path else ""
        refusal = PluginError(
            "MA7206", f"{where}:{path} {first.message} ({first.code})", hint=first.hint
        )
        # All of them at once, where an error has one line: whoever fixes the first must not meet
        # the second next time.
        refusal.log_tail = as_text(problems)
        raise refusal
    return documents


def _unfit(document: Document) -> Iterator[Problem]:
    """What the types alone do not say of the plugins of a document."""
    # The rules of machine.plugins: an entry means the same wherever it stands.
    from machineadm.config.rules.plugins import entry_findings
    from machineadm.documents.model import problem_at

    for index, entry in enumerate(document.value.spec.plugins):
        for finding in entry_findings(entry, f"spec.plugins[{index}]"):
            yield problem_at(document, finding)
