"""What a template of one's own has made: whether its reader will take it, and what it leaves open to all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from machineadm.documents.limits import Budget
from machineadm.documents.nodes import Mapping, Node, Scalar, Sequence
from machineadm.documents.source import RefusedError, Source
from machineadm.documents.yaml_reader import YamlReader
from machineadm.rendering.template import LARGEST

_JINJA: Final = "## template: jinja"
_MIME: Final = ("content-type:", "mime-version:", "from ")
_CLOUD_CONFIG: Final = "#cloud-config"
_PARTS: Final = (*_MIME, "#cloud-config-archive")
_JINJA_PART: Final = re.compile(f"\n[ \t]*{_JINJA}|text/jinja2")
# How cloud-init tells user data (cloudinit/handlers, INCLUSION_TYPES_MAP), and MIME.
_KNOWN: Final = (
    *("#!", "#include", "#include-once", "#cloud-boothook", "#part-handler", "#upstart-job"),
    *(_CLOUD_CONFIG, "#cloud-config-archive", "#cloud-config-jsonp"),
    *_MIME,
)
_DATA_URL: Final = r"data:[^,]*,(.*)"
_PUBLIC: Final = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108 - looked for, not used


class UnfitError(Exception):
    """The consumer would not take the user data.

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


class Written(msgspec.Struct, frozen=True):
    """A file that user data has a machine write.

    Args:
        path: Where.
        mode: Its permissions.
        holds: What of that which nobody else may read, in words; empty: nothing.
        owner: Its user; empty where none is named.
    """

    path: str
    mode: int
    holds: str
    owner: str = ""

    @property
    def exposed(self) -> str:
        """Who but root may read or replace it, in words; empty: nobody."""
        public = next((place for place in _PUBLIC if self.path.startswith(place)), "")
        if self.mode & 0o044:
            where = f", in {public.rstrip('/')}" if public else ""
            return f"mode {self.mode:04o}{where}: all users of the machine can read it"
        if self.owner not in ("", "root", "0"):
            return f"owned by {self.owner}, who can read and replace it"
        if public:
            return (
                f"in {public.rstrip('/')}: any user of the machine can put something there before"
            )
        return ""


def written_files(user_data: bytes, format_: str, private: dict[str, bytes]) -> tuple[Written, ...]:
    """The files that user data has a machine write, where it says so in a form that can be read.

    Args:
        user_data: As rendered.
        format_: `cloud-config` or `ignition`.
        private: By its name what root alone may read.

    Raises:
        UnfitError: Its reader would not take it.
    """
    contents = _Contents(private)
    if format_ == "ignition":
        return tuple(_ignition_files(user_data, contents))
    text = _text(user_data)
    begin = text.lstrip().lower()
    if begin.startswith(_JINJA) or (begin.startswith(_PARTS) and _JINJA_PART.search(begin)):
        hint = "remove the line: a configuration holds braces that are no templates, and the rest needs none"
        raise UnfitError(
            "MA1621", "cloud-init would run Jinja over all of it, contents included", hint
        )
    if not begin.startswith(_KNOWN):
        hint = "begin it with #cloud-config, or with #! for a script"
        raise UnfitError("MA1622", "cloud-init does not know user data that begins so", hint)
    if begin.partition("\n")[0].strip() != _CLOUD_CONFIG:
        return ()
    return tuple(_cloud_config_files(text, contents))


def _text(user_data: bytes) -> str:
    try:
        return user_data.decode()
    except UnicodeDecodeError:
        raise UnfitError("MA1622", "it is no UTF-8", "put bytes through base64") from None


def _cloud_config_files(text: str, contents: _Contents) -> Iterator[Written]:
    root = _yaml(text)
    if not isinstance(root, Mapping):
        raise UnfitError("MA1622", "a cloud-config is a map; this is none")
    files = _field(root, "write_files")
    for file in files.items if isinstance(files, Sequence) else ():
        if isinstance(file, Mapping):
            mode = _word(file, "permissions")
            encoding = _word(file, "encoding").lower().replace("application/", "").replace("x-", "")
            holds = contents.held(_word(file, "content").encode(), encoding)
            octal = int(mode, 8) if re.fullmatch("(0o?)?[0-7]{1,4}", mode) else 0o644
            owner = _word(file, "owner").partition(":")[0]
            yield Written(_word(file, "path"), octal, holds, owner)


def _yaml(text: str) -> Node | None:
    budget = Budget()
    source = Source("", text)
    reader = YamlReader(source, 0, len(text), budget)
    try:
        budget.begin_document(0)
        nodes = list(reader.documents())
    except RefusedError as refused:
        fault = refused.fault
    else:
        if not reader.faults:
            return nodes[0] if nodes else None
        fault = reader.faults[0]
    line, column = source.position(fault.at)
    place = f"line {line}, column {column} of the user data"
    raise UnfitError("MA1622", f"{place}: {fault.message}", fault.hint)


def _field(mapping: Mapping, name: str) -> Node | None:
    for key, value in mapping.entries():
        if isinstance(key, Scalar) and key.text == name:
            return value
    return None


def _word(mapping: Mapping, name: str) -> str:
    value = _field(mapping, name)
    return value.text if isinstance(value, Scalar) else ""


def _ignition_files(user_data: bytes, contents: _Contents) -> Iterator[Written]:
    try:
        config: Any = msgspec.json.decode(user_data)
    except msgspec.DecodeError as error:
        hint = "write it for Ignition, or set format: cloud-config" if user_data[:1] == b"#" else ""
        raise UnfitError("MA1622", f"Ignition reads JSON: {error}", hint) from None
    version = _get(_get(config, "ignition"), "version")
    if not isinstance(version, str):
        raise UnfitError("MA1622", "Ignition asks for ignition.version", 'such as "3.4.0"')
    files = _get(_get(config, "storage"), "files")
    for file in files if isinstance(files, list) else ():
        given = _get(file, "contents")
        found = re.fullmatch(_DATA_URL, str(_get(given, "source")), re.DOTALL)
        encoding = "gz+b64" if _get(given, "compression") == "gzip" else "b64"
        mode = _get(file, "mode")
        holds = contents.held(found[1].encode(), encoding) if found else ""
        user = _get(file, "user")
        owner = str(_get(user, "name") or _get(user, "id") or "")
        mode = mode if isinstance(mode, int) else 0o644
        yield Written(str(_get(file, "path")), mode, holds, owner)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


class _Contents:
    """What the files of user data hold, all of them within one allowance.

    Args:
        private: By its name what root alone may read.
    """

    def __init__(self, private: dict[str, bytes]) -> None:
        self._private = private
        self._left = LARGEST

    def held(self, data: bytes, encoding: str) -> str:
        """What of the private a content holds once it is decoded; what cannot be decoded holds nothing.

        Raises:
            UnfitError: The contents together are too large.
        """
        import zlib
        from binascii import Error, a2b_base64

        try:
            if "b64" in encoding or "base64" in encoding:
                data = a2b_base64(data)
            if "gz" in encoding:
                data = zlib.decompressobj(wbits=31).decompress(data, self._left + 1)
        except (Error, zlib.error):
            return ""
        self._left -= len(data)
        if self._left < 0:
            raise UnfitError(
                "MA1614",
                f"the files that it writes are more than {LARGEST} bytes together",
                "let the machine fetch large files from a source",
            )
        return next((name for name, content in self._private.items() if content in data), "")
