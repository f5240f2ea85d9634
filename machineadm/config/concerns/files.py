"""Rules for files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.pruned import PrunedError
from machineadm.api.v1alpha1.files import FileConfig, FileSource
from machineadm.api.v1alpha1.machine import MachineConfig, MachineConfigurationSpec
from machineadm.config.concerns import writers
from machineadm.config.contents import (
    LARGEST,
    Allowance,
    ContentError,
    TooLargeError,
    decode_content,
    judge_content,
)
from machineadm.config.machine_paths import OWN, is_windows_path
from machineadm.config.paths import child
from machineadm.config.rules.model import Context, Rules, finding

# Only these need a digest: a file of the machine is as trustworthy as the machine.
REMOTE: Final = ("https://", "http://")


def _contents_decode(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    """Judge all contents in order within one allowance; after it is spent the rest is not read."""
    allowance = Allowance()
    for index, file in enumerate(machine.files):
        try:
            if file.content is not None:
                judge_content(file.content, file.encoding, allowance)
                yield from _placeholders(file, f"files[{index}].content")
        # One unreadable entry; the others still count against the allowance.
        except PrunedError:
            continue
        except TooLargeError:
            yield finding(
                "MA1325",
                f"files[{index}].content",
                f"the decoded contents of the files up to this one are more than {LARGEST} bytes",
                "use source for large files: they are streamed, not held in memory",
            )
            return
        except ContentError as error:
            hint = "gzip content must also be base64" if file.encoding != "base64" else ""
            message = f"encoding is {file.encoding}, but the content is {error}"
            yield finding("MA1307", f"files[{index}].content", message, hint)


def _placeholders(file: FileConfig, path: str) -> Iterator[Finding]:
    """Yield warnings about encoded contents; plain contents are judged with all other texts."""
    # Twice the same warning otherwise.
    if file.encoding is None:
        return
    content = decode_content(file.content or "", file.encoding)
    # Before the patterns are loaded: most contents hold neither.
    if b"{{" in content or b"${" in content:
        from machineadm.config.rules.placeholders import warned

        # The bytes may be a program; a placeholder is ASCII either way.
        yield from warned(content.decode(errors="replace"), path, free=True)


def _reject_options_with_source(file: FileConfig, _context: Context) -> Iterator[Finding]:
    # A source is streamed onto the disk while its digest is computed, so it is neither decoded nor
    # laid behind something.
    if file.source is None:
        return
    if file.encoding is not None:
        yield finding("MA1301", "encoding", "not together with source, which is written unchanged")
    if file.append:
        yield finding("MA1301", "append", "not together with source", "use content to append")


def _a_link_has_nothing_else(file: FileConfig, _context: Context) -> Iterator[Finding]:
    if file.link_to is None:
        return
    # Told one by one: each has a line of its own in the file to be removed.
    given = {
        "owner": file.owner is not None,
        "permissions": file.permissions is not None,
        "encoding": file.encoding is not None,
        "append": file.append,
        "sensitive": file.sensitive,
    }
    for field, is_given in given.items():
        if is_given:
            message = "not together with linkTo: a link has no content, and is root's"
            yield finding("MA1301", field, message, f"leave out {field}")
    if is_windows_path(file.path):
        yield finding("MA1413", "linkTo", "is only allowed with a Linux path")
    # Only this loop: longer ones depend on what else is on the machine.
    if posixpath.join(posixpath.dirname(file.path), file.link_to) == file.path:
        yield finding("MA1323", "linkTo", "leads to the link itself")


def _no_template(file: FileConfig, _context: Context) -> Iterator[Finding]:
    # The manager renders before a machine sees it; here it would be written with its braces.
    if file.content_format == "Template":
        yield finding(
            "MA1308",
            "contentFormat",
            "only the manager fills in templates; a machine cannot",
            "use contentFormat Raw with the final content",
        )


def _source_is_pinned(source: FileSource, _context: Context) -> Iterator[Finding]:
    if source.url.startswith(REMOTE):
        # For https too: TLS says who answered, and not that the file is the one that was tested.
        if source.sha256 is None and source.sha512 is None:
            yield finding(
                "MA1309",
                "",
                "a download needs a digest",
                "add sha256: what `sha256sum` prints for the file",
            )
    # Two slashes would name a host (RFC 8089), and none of ours can be one.
    elif not source.url.startswith("file:///"):
        yield finding("MA1323", "url", "not a https, http or file URL")


def _headers_fit(source: FileSource, _context: Context) -> Iterator[Finding]:
    for field, headers in (("headers", source.headers), ("headersFrom", source.headers_from)):
        if headers and source.url.startswith("file:"):
            yield finding("MA1301", field, "not with a file URL, which has no headers")
    # Names of headers have no case (RFC 9110, 5.1): with both, the server would choose.
    given = {name.lower() for name in source.headers}
    for name in source.headers_from:
        if name.lower() in given:
            yield finding("MA1306", child("headersFrom", name), f"{name} is already in headers")


def _no_file_is_a_directory(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    """A file at /a and another at /a/b cannot both exist."""
    paths = {file.path for file in machine.files}
    for index, file in enumerate(machine.files):
        # Both orders are wrong: whichever is written first keeps the other from being written.
        parts = file.path.split("/")
        # Every parent, not only the next one: /a/b/c needs /a to be a directory as well.
        for end in range(2, len(parts)):
            parent = "/".join(parts[:end])
            if parent in paths:
                yield finding(
                    "MA1306",
                    f"files[{index}].path",
                    f"is below {parent}, which this configuration makes a file",
                )


def _windows_has_no_owners(file: FileConfig, _context: Context) -> Iterator[Finding]:
    if not is_windows_path(file.path):
        return
    # Windows has access lists; an owner and a mode would be dropped without a word.
    for field, value in (("owner", file.owner), ("permissions", file.permissions)):
        if value is not None:
            yield finding("MA1413", field, "is only allowed with a Linux path")


def _each_path_of_windows_once(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    r"""Windows takes C:\\k and c:/K for the same."""
    seen: dict[str, str] = {}
    for index, file in enumerate(machine.files):
        if is_windows_path(file.path):
            first = seen.setdefault(file.path.lower().replace("\\", "/"), file.path)
            if first != file.path:
                yield finding("MA1306", f"files[{index}].path", f"is the same file as {first}")


def _each_has_one_writer(spec: MachineConfigurationSpec, _context: Context) -> Iterator[Finding]:
    """Two writers would undo each other's work on every run, and the last one would silently win."""
    # Other fields' files and not only files: /etc/hostname by hand and by `hostname` would change
    # on every run.
    other = dict(writers(spec))
    for index, file in enumerate(spec.machine.files):
        field = other.get(file.path)
        # The API server's pod mounts this directory, and each run decides what is in it.
        if file.path.startswith(f"{OWN}/"):
            field = "machineadm itself"
        if field is not None:
            yield finding(
                "MA1306", f"machine.files[{index}].path", f"{file.path} is written by {field}"
            )


RULES: Final[Rules] = {
    FileConfig: (
        _reject_options_with_source,
        _a_link_has_nothing_else,
        _no_template,
        _windows_has_no_owners,
    ),
    FileSource: (_source_is_pinned, _headers_fit),
    MachineConfig: (_contents_decode, _no_file_is_a_directory, _each_path_of_windows_once),
    MachineConfigurationSpec: (_each_has_one_writer,),
}
