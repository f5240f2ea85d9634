"""Read user data as its consumer does: in parts like cloud-init, as JSON like Ignition.

What a consumer would silently read as something else is refused: of two equal keys it keeps one, a merge key or a tag
changes the content of a map, and `MIME-Version:` in a comment turns the whole text into a mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from machineadm.documents.json_reader import JsonReader
from machineadm.documents.limits import Budget
from machineadm.documents.nodes import Ambiguous, Mapping, Node, Scalar, Sequence, Unread
from machineadm.documents.source import Fault, RefusedError, Source
from machineadm.documents.yaml_reader import YamlReader
from machineadm.nearest import suggest

if TYPE_CHECKING:
    from email.message import Message

_CLOUD_CONFIG: Final = "text/cloud-config"
_ARCHIVE: Final = "text/cloud-config-archive"
_PATCH: Final = "text/cloud-config-jsonp"
_JINJA: Final = "text/jinja2"
_INCLUDES: Final = ("text/x-include-url", "text/x-include-once-url")
# As cloud-init's handlers (INCLUSION_TYPES_MAP) tell a text by its beginning, the longest first.
_BEGINNINGS: Final = {
    "#cloud-config-archive": _ARCHIVE,
    "#cloud-config-jsonp": _PATCH,
    "## template: jinja": _JINJA,
    "#cloud-boothook": "text/cloud-boothook",
    "#upstart-job": "text/upstart-job",
    "#part-handler": "text/part-handler",
    "#include-once": "text/x-include-once-url",
    "#cloud-config": _CLOUD_CONFIG,
    "#include": "text/x-include-url",
    "#!": "text/x-shellscript",
}
_BY_BEGINNING: Final = ("text/plain", "text/x-not-multipart", "text/x-shellscript")
_JINJA_PART: Final = r"\n[ \t]*## template: jinja|text/jinja2"
_MAIL: Final = "mime-version:"
# As in convert_string() of cloud-init's user_data.py.
_MAIL_WITHIN: Final = 4096
"""Bytes in which cloud-init looks for `MIME-Version:`, wherever it stands."""

_IGNITION_3: Final = (
    "ignition version config merge replace source compression verification hash httpHeaders name value security tls "
    "certificateAuthorities timeouts httpResponseHeaders httpTotal proxy httpProxy httpsProxy noProxy kernelArguments "
    "shouldExist shouldNotExist passwd users passwordHash sshAuthorizedKeys uid gecos homeDir noCreateHome primaryGroup "
    "groups noUserGroup system noLogInit shell gid storage disks device wipeTable partitions label number sizeMiB startMiB "
    "typeGuid guid wipePartitionEntry resize raid level devices spares options filesystems format path wipeFilesystem uuid "
    "mountOptions files overwrite contents append mode user id group directories links target hard luks discard openOptions "
    "wipeVolume keyFile clevis tpm2 threshold tang url thumbprint advertisement custom pin needsNetwork cex enabled systemd "
    "units mask dropins"
)
_IGNITION_2: Final = f"{_IGNITION_3} create mount force filesystem networkd size start enable"
"""All keys of the published specifications, wherever they stand."""


# Not an error of ours in errors.py: what is unfit is the output, and where it came from is known
# only to whoever had it made.
class UnfitError(Exception):
    """The consumer would not accept the user data, or would read it as something else.

    Args:
        code: Stable code.
        message: Why, in one line, without anything of its contents.
        hint: What to do about it.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def cloud_configs(user_data: bytes) -> list[Mapping]:
    """Return every cloud-config in user data for cloud-init: the whole, or parts of a mail or an archive.

    Args:
        user_data: As rendered.

    Raises:
        UnfitError: cloud-init would not take it, or would read it otherwise than it is written.
    """
    # Before looking for a mail: what is not UTF-8 is read by no reader in the same way.
    text = _text(user_data)
    reading = _Reading()
    if _MAIL in user_data[:_MAIL_WITHIN].decode(errors="replace").lower():
        _mail(text, reading)
    else:
        _part(text, _kind(text), "the user data", reading)
    return reading.configs


def ignition_config(user_data: bytes) -> dict[str, Any]:
    """Return the configuration in user data for Ignition.

    Args:
        user_data: As rendered.

    Raises:
        UnfitError: Ignition would not take it, or would pass over a part of it.
    """
    text = _text(user_data)
    place = "the user data"
    # A leading # is a cloud-config's or a script's: the likeliest mistake is a format that was
    # forgotten.
    hint = "write it for Ignition, or set format: cloud-config" if text.startswith("#") else ""
    try:
        # Read twice: by msgspec for its values and for what is not JSON at all, and below by our
        # reader, which keeps the places and keys that come twice.
        config: Any = msgspec.json.decode(user_data)
    except (ValueError, RecursionError) as error:
        raise UnfitError("MA1622", f"Ignition reads JSON: {error}", hint) from None
    ignition = config.get("ignition") if isinstance(config, dict) else None
    version = ignition.get("version") if isinstance(ignition, dict) else None
    if not isinstance(version, str):
        raise UnfitError("MA1622", "Ignition requires ignition.version", 'such as "3.4.0"')
    source = Source("", text)
    root = _json(source, place)
    # Ignition reads with Go's encoding/json, which matches keys in any case ("Path" for path) and lets a later one overwrite.
    _reject_doubles(root, source, place, fold=True)
    # Of a major version that is not known no key can be called wrong.
    known = {"2": _IGNITION_2, "3": _IGNITION_3}.get(version.partition(".")[0])
    if known is not None:
        _reject_unknown(root, source, frozenset(known.split()))
        _reject_other_types(root, source)
    if version.startswith("3."):
        _reject_paths_twice(root, source)
    return config  # type: ignore[no-any-return]  # a dict, since it has a version


class _Reading:
    """What was read of user data so far."""

    def __init__(self) -> None:
        self.configs: list[Mapping] = []
        self.budget = Budget()
        self._keys: dict[str, str] = {}

    def add(self, config: Mapping, place: str) -> None:
        """Add a cloud-config.

        Raises:
            UnfitError: It has a key that an earlier one has, too: cloud-init keeps the last.
        """
        names = [key.text for key, _ in config.entries() if isinstance(key, Scalar)]
        # Whoever says how parts are merged knows that there are several.
        if not {"merge_how", "merge_type"} & {*names}:
            for name in names:
                if name in self._keys:
                    message = (
                        f"{name} is in {self._keys[name]} and in {place}: cloud-init keeps the last"
                    )
                    raise UnfitError("MA1622", message, "merge them into one, or set merge_how")
        # After the check, so that the message names the earlier part.
        self._keys |= dict.fromkeys(names, place)
        self.configs.append(config)


def _kind(text: str, default: str = "") -> str:
    # cloud-init strips blanks before it compares, so a newline before #cloud-config is allowed.
    # The beginning is cut before it is stripped: lower() of a text of 16 MiB would be made for ten
    # comparisons.
    begin = text[:_MAIL_WITHIN].lstrip() or text.lstrip()[:_MAIL_WITHIN]
    found = (kind for word, kind in _BEGINNINGS.items() if begin.lower().startswith(word))
    return next(found, default)


def _reject_jinja(text: str, place: str) -> None:
    """Refuse text with several parts if one may be a template, before any of it is parsed.

    Raises:
        UnfitError: One is.
    """
    if re.search(_JINJA_PART, text, re.IGNORECASE):
        _part("", _JINJA, place, _Reading())


def _part(text: str, kind: str, place: str, reading: _Reading) -> None:
    """Judge a part by its kind.

    Raises:
        UnfitError: cloud-init would not take it, or would read it otherwise than it is written.
    """
    if not kind:
        hint = "begin it with #cloud-config, or with #! for a script"
        raise UnfitError(
            "MA1622", f"cloud-init cannot tell what {place} is from its first line", hint
        )
    if kind == _JINJA:
        # Jinja is refused at all times, and not only where braces are found: what it does to a file
        # depends on the cloud's metadata.
        hint = "remove the line: a configuration has braces that are not templates"
        message = f"cloud-init would run Jinja over all of {place}, including file contents"
        raise UnfitError("MA1621", message, hint)
    if kind == _CLOUD_CONFIG:
        reading.add(_cloud_config(text, place, reading), place)
    elif kind == _ARCHIVE:
        _archive(text, place, reading)
    # A patch is JSON (RFC 6902) behind its marker.
    elif kind == _PATCH:
        source = Source("", text.lstrip()[len("#cloud-config-jsonp") :])
        _reject_doubles(_json(source, place), source, place)
    elif kind in _INCLUDES:
        _include(text, place)


def _cloud_config(text: str, place: str, reading: _Reading) -> Mapping:
    root = _yaml(text, place, reading)
    if not isinstance(root, Mapping):
        raise UnfitError("MA1622", f"a cloud-config is a map; {place} is not")
    _reject_other_shapes(root, Source("", text), place)
    return root


def _reject_other_shapes(config: Mapping, source: Source, place: str) -> None:
    """Refuse lists of commands and files that cloud-init gives up on as a whole (util.shellify, cc_write_files).

    Raises:
        UnfitError: One has another form.
    """
    for key, value in config.entries():
        name = key.text if isinstance(key, Scalar) else ""
        if name not in ("runcmd", "bootcmd", "write_files") or _is_none(value):
            continue
        what = "commands" if name != "write_files" else "files"
        if not isinstance(value, Sequence):
            message = f"{name} is not a list of {what}, so cloud-init passes over all of it"
            _refuse(source, place, value.at, message, "begin each with a dash")
        for item in value.items:
            if name != "write_files" and isinstance(item, Mapping):
                message = f"an item of {name} is a map, so cloud-init runs no item at all"
                hint = "a colon and a space make a map: put the command in quotes"
                _refuse(source, place, item.at, message, hint)
            elif name == "write_files" and not isinstance(item, (Mapping, Unread)):
                message = "an item of write_files is not a map, so cloud-init writes no file at all"
                _refuse(source, place, item.at, message, "write - path: ... and content: ...")


def _is_none(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _archive(text: str, place: str, reading: _Reading) -> None:
    # Before parsing, because cloud-init renders the text first, and what we parsed would be
    # something else.
    _reject_jinja(text, place)
    root = _yaml(text, place, reading)
    if not isinstance(root, Sequence):
        raise UnfitError("MA1622", f"a cloud-config-archive is a list; {place} is not")
    for number, item in enumerate(root.items, 1):
        given = item if isinstance(item, Mapping) else None
        content = (
            word_of(given, "content") if given else item.text if isinstance(item, Scalar) else ""
        )
        # In an archive, unlike in a mail, a part that nothing tells is a cloud-config.
        kind = (word_of(given, "type") if given else "") or _kind(content, _CLOUD_CONFIG)
        _part(content, kind.lower(), f"part {number} of the archive", reading)


def _include(text: str, place: str) -> None:
    """Check an #include: cloud-init takes every line that is neither empty nor a comment for a URL.

    Raises:
        UnfitError: One is not a URL.
    """
    for number, line in enumerate(text.splitlines(), 1):
        url = re.sub("(?i)^#include(-once)?", "", line).strip()
        # What its url helper reads.
        if url and not url.startswith("#") and not re.match("(?i)(https?|ftp|file)://[!-~]+$", url):
            message = f"line {number} of {place} is not a URL, but in an #include cloud-init takes every line for a URL"
            raise UnfitError("MA1622", message, "put anything else into its own part")


def _mail(text: str, reading: _Reading) -> None:
    """All parts of a mail.

    Raises:
        UnfitError: It only looks like one to cloud-init, or a part is unfit.
    """
    # Here and not above: email brings a dozen modules with it, and only mails need it.
    from email import message_from_string

    _reject_jinja(text, "the mail")
    whole = message_from_string(text)
    # Python's parser, which is cloud-init's, reads such a mail as one part of text, and cloud-init
    # then drops it.
    if whole.is_multipart() is False and whole.get_content_maintype() == "multipart":
        raise UnfitError("MA1622", "a multipart mail has no parts: its boundary is not in it")
    # Containers are no parts to cloud-init either; it walks the same tree.
    parts = [part for part in whole.walk() if part.get_content_maintype() != "multipart"]
    for number, part in enumerate(parts, 1):
        place = f"part {number} of the mail"
        content = _payload(part, place)
        # A text that begins with # was not written as a mail by anybody.
        if re.match(r"\s*#", text) and content != text:
            message = (
                f"`MIME-Version:` is in its first {_MAIL_WITHIN} bytes: cloud-init takes all of it for a mail, "
                "and misreads it"
            )
            raise UnfitError("MA1622", message, "move it further down, or encode it in base64")
        kind = part.get_content_type()
        # cloud-init looks at the beginning only where the type says nothing (TYPE_NEEDED in
        # user_data.py), or says text/x-shellscript, as which other things used to be sent.
        kind = (_kind(content) or kind) if kind in _BY_BEGINNING else kind
        # Plain text that nothing tells is what cloud-init drops with a warning in its log.
        if kind in _BY_BEGINNING[:2]:
            kind = ""
        _part(content, kind, place, reading)


def _payload(part: Message, place: str) -> str:
    # decode=True undoes the transfer encoding, as cloud-init does.
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode()
    except UnicodeDecodeError:
        message = f"cloud-init reads {place} as a mail, which loses its UTF-8"
        hint = "add Content-Transfer-Encoding: 8bit, or encode it in base64"
        raise UnfitError("MA1622", message, hint) from None


def _text(user_data: bytes) -> str:
    try:
        return user_data.decode()
    except UnicodeDecodeError:
        raise UnfitError("MA1622", "it is not UTF-8", "encode it in base64") from None


def _yaml(text: str, place: str, reading: _Reading) -> Node | None:
    source = Source("", text)
    # By our own reader with the stream's budget: parts unfold aliases, and many parts unfold many.
    reader = YamlReader(source, 0, len(text), reading.budget)
    try:
        reading.budget.begin_document(0)
        nodes = list(reader.documents())
    except RefusedError as refused:
        _refuse(source, place, refused.fault.at, refused.fault.message, refused.fault.hint)
    # The first one is enough. Nobody gets user data that is half right.
    for fault in reader.faults:
        _refuse(source, place, fault.at, fault.message, fault.hint)
    # It loads by yaml.safe_load, which raises at a second document: the whole part is lost, with a
    # line in a log.
    if len(nodes) > 1:
        message = "a second document begins, and cloud-init then reads neither"
        _refuse(source, place, nodes[1].at, message, "remove the line ---")
    for node in nodes:
        _reject_doubles(node, source, place)
        return node
    return None


def _json(source: Source, place: str) -> Node:
    reader = JsonReader(source.text, 0, len(source.text), Budget())
    try:
        root = reader.document()
    except RefusedError as refused:
        _refuse(source, place, refused.fault.at, refused.fault.message, refused.fault.hint)
    if reader.at < len(source.text):
        _refuse(source, place, reader.at, "there is something after the JSON")
    return root


def _refuse(source: Source, place: str, at: int, message: str, hint: str = "") -> NoReturn:
    line, column = source.position(at)
    raise UnfitError("MA1622", f"line {line}, column {column} of {place}: {message}", hint)


def _mappings(root: Node) -> Iterator[Mapping | Unread]:
    """Yield every map once (aliases share a node), and what could not be read."""
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if isinstance(node, Scalar) or id(node) in seen:
            continue
        seen.add(id(node))
        if not isinstance(node, Unread):
            # Backwards, so that they are taken from the end in the order of the text, and the first
            # fault is the first in the file.
            todo += node.items[::-1]
        if not isinstance(node, Sequence):
            yield node


def _reject_doubles(root: Node, source: Source, place: str, *, fold: bool = False) -> None:
    """Refuse what readers understand differently: equal keys, merge keys, keys that are not scalars.

    Raises:
        UnfitError: There is one.
    """
    for mapping in _mappings(root):
        if isinstance(mapping, Unread):
            fault = mapping.fault or Fault("MA1622", mapping.at, "it cannot be read")
            _refuse(source, place, fault.at, fault.message, fault.hint)
        seen: dict[object, int] = {}
        for key, _ in mapping.entries():
            if not isinstance(key, Scalar):
                _refuse(source, place, key.at, "a key is not a scalar", "readers refuse it")
            if key.plain and key.text == "<<":
                message = "a merge key: readers disagree about what the map contains"
                _refuse(source, place, key.at, message, "write the fields out")
            # Compare as the reader does: 1, 1.0 and true are one key to PyYAML, Path and path to Go.
            value = _identity(key)
            # casefold, not lower: Go's encoding/json compares by simple folding, in which the
            # Kelvin sign is a k.
            name = value.casefold() if fold and isinstance(value, str) else value
            if name in seen:
                line, column = source.position(seen[name])
                message = f"{_shown(key.text)} is also in line {line}, column {column}, and only one of them counts"
                _refuse(source, place, key.at, message, "keep one of them")
            seen[name] = key.at


def _identity(key: Scalar) -> object:
    # Ambiguous is what YAML 1.1 and 1.2 read differently, and PyYAML reads 1.1.
    if not isinstance(key.value, Ambiguous):
        return key.value
    return _number(key.text) if key.value.value is None else key.value.value


def _number(text: str) -> int | str:
    """A number as PyYAML reads it, so that 8, 0x8, 010 and 0b1_000 are one key; other text as it is."""
    digits = text.replace("_", "")
    try:
        return int(digits, 8 if re.fullmatch(r"[-+]?0[0-7]+", digits) else 0)
    except ValueError:
        return text


def _reject_unknown(root: Node, source: Source, known: frozenset[str]) -> None:
    """Refuse keys that Ignition does not have.

    Raises:
        UnfitError: There is one.
    """
    for mapping in _mappings(root):
        for key, _ in () if isinstance(mapping, Unread) else mapping.entries():
            # By name alone: a known key at a wrong place is let pass, since no schema of each
            # version is kept here.
            if isinstance(key, Scalar) and key.text not in known:
                # Refused because Ignition is silent: it only warns of unused keys in its log, which
                # nobody reads before a first boot.
                likely = suggest(key.text, known)
                hint = f"did you mean {likely}?" if likely else "its specification lists all keys"
                message = f"Ignition has no key {_shown(key.text)}, and ignores it"
                _refuse(source, "the user data", key.at, message, hint)


_NUMBERS: Final = (
    "mode number sizeMiB startMiB uid gid spares threshold httpResponseHeaders httpTotal"
)
_SWITCHES: Final = (
    "overwrite hard enabled enable mask wipeTable wipePartitionEntry resize wipeFilesystem wipeVolume system noCreateHome "
    "noUserGroup noLogInit tpm2 needsNetwork discard"
)
"""Keys that have one type wherever they stand, in all published specifications."""


def _reject_other_types(root: Node, source: Source) -> None:
    """Refuse text where Ignition reads a number or a boolean: it stops, and the machine does not boot.

    Raises:
        UnfitError: There is such a value.
    """
    numbers, switches = frozenset(_NUMBERS.split()), frozenset(_SWITCHES.split())
    for mapping in _mappings(root):
        for key, value in () if isinstance(mapping, Unread) else mapping.entries():
            name = key.text if isinstance(key, Scalar) else ""
            given = value.value if isinstance(value, Scalar) else None
            if name in numbers and isinstance(given, (str, bool)):
                hint = "write it as a decimal number: 0644 is 420" if name == "mode" else ""
                message = f"{name} is not a number, and Ignition would stop the boot"
                _refuse(source, "the user data", value.at, message, hint)
            if name in switches and isinstance(given, (str, int)) and not isinstance(given, bool):
                message = f"{name} is neither true nor false, and Ignition would stop the boot"
                _refuse(source, "the user data", value.at, message, "write it without quotes")


def _reject_paths_twice(root: Node, source: Source) -> None:
    """Refuse a path that two files, directories or links have: Ignition 3 stops at a duplicate entry.

    Raises:
        UnfitError: There is one.
    """
    storage = field_of(root, "storage") if isinstance(root, Mapping) else None
    seen: set[str] = set()
    for name in ("directories", "files", "links"):
        items = field_of(storage, name) if isinstance(storage, Mapping) else None
        for item in items.items if isinstance(items, Sequence) else ():
            path = field_of(item, "path") if isinstance(item, Mapping) else None
            if not isinstance(path, Scalar):
                continue
            if path.text in seen:
                message = (
                    f"{_shown(path.text)} is in storage twice, and Ignition would stop the boot"
                )
                _refuse(source, "the user data", path.at, message, "keep one of them")
            seen.add(path.text)


def _shown(key: str) -> str:
    return repr(key if len(key) <= 60 else f"{key[:60]}...")


def field_of(mapping: Mapping, name: str) -> Node | None:
    """Return the value of a map's key; None if it has none."""
    for key, value in mapping.entries():
        if isinstance(key, Scalar) and key.text == name:
            return value
    return None


def word_of(mapping: Mapping, name: str) -> str:
    """Return the text of a map's key; empty if it has none, or not a scalar."""
    value = field_of(mapping, name)
    return value.text if isinstance(value, Scalar) else ""
