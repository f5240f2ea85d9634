"""MA10xx, MA11xx, MA12xx: a configuration file cannot be read, or does not fit the types."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1001": Code(
        "no document",
        "The input is empty, or has only comments and document markers. Nothing was changed.",
        "Give a configuration: apiVersion, kind and spec. If a program wrote the file, check that "
        "it was not cut off.",
    ),
    "MA1002": Code(
        "input too large",
        "The input is above the limit of 16 MiB. Nothing was changed.",
        "Move large contents out: a file's `source` fetches them by URL, checked by digest.",
    ),
    "MA1003": Code(
        "not UTF-8",
        "The bytes are not UTF-8; the line and column are those of the first bad byte. Windows "
        "editors often write UTF-16.",
        "Save the file as UTF-8 (a byte order mark is fine). Binary contents go into `content` "
        "with `encoding: base64`.",
    ),
    "MA1004": Code(
        "character that is not allowed",
        "The text has a control character (a NUL, an escape), or a line separator that only some readers "
        "treat as the end of a line.",
        'Write it in double quotes as "\\u2028", or leave it out; give binary contents as base64.',
    ),
    "MA1005": Code(
        "not YAML",
        "libyaml cannot read the document; the message is its own. The mistake is often in the "
        "line above.",
        "Look for a missing quote, bracket or colon, or a list or map that is not indented "
        "like its neighbors.",
    ),
    "MA1006": Code(
        "not JSON",
        "A document that begins with a brace is read as JSON (RFC 8259), and this one is not valid JSON.",
        "Put keys and strings in double quotes, remove comments and the comma after the last item, "
        "or write the document as YAML in block style.",
    ),
    "MA1007": Code(
        "nested too deep",
        "Lists and maps are nested more than 100 levels deep. No real configuration is.",
        "Check that this is the file you meant.",
    ),
    "MA1008": Code(
        "too many values",
        "The stream has more than 200,000 strings, numbers, lists and maps.",
        "Check that this is the file you meant; put large contents into one string.",
    ),
    "MA1009": Code(
        "alias",
        "An alias (`*name`) refers to an anchor that is not above it, is inside its own anchor, or repeats so much that "
        "the document would exceed the limits.",
        "Put the anchor (`&name`) before its aliases, or write the values out.",
    ),
    "MA1010": Code(
        "tag",
        "A value has a tag such as `!!binary`, `!!python/name` or `!secret`. Tags are not supported: "
        "the field determines the type of its value.",
        "Remove the tag. Quote the value if it is a string; give bytes as base64 beside `encoding: base64`.",
    ),
    "MA1011": Code(
        "merge key",
        "In YAML 1.1, `<<` merges a map into another; YAML 1.2 dropped it, and readers differ.",
        "Write the fields out. An alias for a whole value is allowed.",
    ),
    "MA1012": Code(
        "directive",
        "The document has a `%TAG` directive. Only `%YAML 1.1` and `%YAML 1.2` are allowed.",
        "Remove it.",
    ),
    "MA1013": Code(
        "the document is not a map",
        "The document is a list or a single value.",
        "Write a map with apiVersion, kind and spec. Separate documents with a line `---`.",
    ),
    "MA1014": Code(
        "tab",
        "A line is indented with a tab; YAML allows only spaces.",
        "Replace tabs with spaces: `expand FILE`.",
    ),
    "MA1015": Code(
        "too many documents",
        "The stream has more than 1000 documents, counting empty ones between two markers.",
        "Check that this is the file you meant.",
    ),
    "MA1016": Code(
        "too many problems",
        "The document has more than 200 problems; the first are shown.",
        "Check that this is the file you meant; fix the problems shown and validate again.",
    ),
    "MA1101": Code(
        "wrong type",
        "The field takes another type of value: string, number, boolean, list or map.",
        "See the field's type in the reference. List items begin with a dash; a colon needs a space "
        "after it.",
    ),
    "MA1102": Code(
        "unquoted value",
        "The field takes a string, but without quotes YAML reads this value as a number, boolean or date: "
        "`0644` is the number 420, `yes` is true, `1.30` is 1.3. Where any value is allowed, one that "
        "YAML 1.1 and 1.2 read differently is refused, too.",
        'Put it in double quotes: "0644".',
    ),
    "MA1103": Code(
        "not one of the choices",
        "The field takes one of a few words, and this is not one of them. Case matters.",
        "Use one that the hint lists.",
    ),
    "MA1104": Code(
        "number out of range",
        "The number is smaller or larger than the field allows.",
        "The hint shows the allowed range.",
    ),
    "MA1105": Code(
        "string too short or too long",
        "The string is empty, or shorter or longer than the field allows, in characters.",
        "The message shows the allowed length. Large contents can be fetched with `source`.",
    ),
    "MA1106": Code(
        "too few or too many items",
        "The list or map has fewer or more items than the field allows.",
        "The message shows how many are allowed.",
    ),
    "MA1107": Code(
        "string in the wrong format",
        "The string does not have the format of the field: a mode, a path, a name, a version, a digest.",
        "The message says what is expected, usually with an example.",
    ),
    "MA1108": Code(
        "more than one line",
        "The field takes one line (a name, a path, a mode), and the string has a line break or "
        "another control character, which could inject lines into files.",
        "Write it on one line. A block scalar (`|`) ends in a newline; `|-` does not.",
    ),
    "MA1109": Code(
        "string that does not parse",
        "The string looks right but is not valid: an address with 300 in it, base64 that is cut off, a PEM block "
        "without its end.",
        "The message says what is expected.",
    ),
    "MA1110": Code(
        "repeated item",
        "Two items of the list are the same, or have the same name or path.",
        "Remove or rename one of them.",
    ),
    "MA1111": Code(
        "number in an ambiguous notation",
        "A number with a leading zero, an underscore, a colon, or in another base: YAML 1.1 and 1.2 "
        "read different numbers.",
        "Write it in decimal, without leading zeros.",
    ),
    "MA1199": Code(
        "refused by the decoder",
        "The decoder refused the document for a reason that the search for problems did not find. The "
        "message is the decoder's own.",
        "Fix what it says, and please report it: every refusal should have a code of its own.",
    ),
    "MA1201": Code(
        "apiVersion or kind is missing",
        "Without both, the type of the document is unknown.",
        "Start the document with the two lines that the hint shows.",
    ),
    "MA1202": Code(
        "unknown apiVersion or kind",
        "This release does not read documents of that kind. Configurations for the management cluster "
        "(MachineBootstrap) are not read on a machine.",
        "Use one that the hint lists; `machineadm version` shows what this release reads.",
    ),
    "MA1203": Code(
        "unknown field",
        "The map has no field of that name: it is mistyped, in the wrong place, or from another "
        "release. Unknown fields are never ignored, because the machine would not be what you asked for.",
        "Use the suggestion, or look the field up in the reference.",
    ),
    "MA1204": Code(
        "required field is missing",
        "The map lacks a required field. The position is that of the map.",
        "Add the field.",
    ),
    "MA1205": Code(
        "duplicate key",
        "A map has the same key twice. Most readers silently keep the last one.",
        "Keep one. If both are wanted, the field is a list.",
    ),
    "MA1206": Code(
        "null",
        "The field has no value (`key:` with nothing after it, `~`, `null`). Only in `taints` null means "
        "something.",
        'Give it a value, or remove the line. An empty string is "", an empty list [], an empty map {}.',
    ),
    "MA1207": Code(
        "key that is not a string",
        "A key is a number, a boolean (`on`, `yes`), null, a list or a map.",
        "Put it in double quotes.",
    ),
    "MA1208": Code(
        "unknown type of a variant",
        "The field `type` selects a variant of the map, and there is no variant of that name.",
        "Use one that the hint lists. Case matters.",
    ),
    "MA1209": Code(
        "type of a variant is missing",
        "The map has several variants, and its field `type` says which one it is.",
        "Add `type` with one of the values that the hint lists.",
    ),
    "MA1210": Code(
        "field of another variant",
        "The field belongs to another variant of the map than the one that `type` names: a token in "
        "a worker's role, an endpoint in discovery by file.",
        "Remove the field, or change `type`.",
    ),
}
