"""MA10xx, MA11xx, MA12xx: what a configuration file says cannot be read, or is none of our types."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1001": Code(
        "no document",
        "The input is empty, or has only comments and markers. Nothing was touched.",
        "Give a configuration: apiVersion, kind and spec. If a program wrote the file, look whether "
        "it was cut off.",
    ),
    "MA1002": Code(
        "input too large",
        "More bytes than are read at once (16 MiB). Nothing was touched.",
        "Move large contents out: `source` of a file fetches them by URL, with their digest.",
    ),
    "MA1003": Code(
        "not UTF-8",
        "The bytes are not UTF-8; the line and column are those of the first bad byte. Editors of "
        "Windows like to write UTF-16.",
        "Save the file as UTF-8 (a byte order mark is fine). Binary contents belong into `content` "
        "with `encoding: base64`.",
    ),
    "MA1004": Code(
        "character that must not stand there",
        "A control character (a NUL, an escape), or a line separator that only some readers take for "
        "the end of a line.",
        'Write it in double quotes as "\\u2028", or leave it out; give binary contents as base64.',
    ),
    "MA1005": Code(
        "not YAML",
        "libyaml cannot read the document; the message is its own. What is wrong often stands in the "
        "line above.",
        "Look for a missing quote, bracket or colon, and for a list or map that is indented "
        "differently from its neighbours.",
    ),
    "MA1006": Code(
        "not JSON",
        "A document whose first character is a brace is read as JSON (RFC 8259), and it is none.",
        "Put keys and texts in double quotes, drop the comma behind the last item and any comment; "
        "or write the document as YAML in block style.",
    ),
    "MA1007": Code(
        "nested too deep",
        "Lists and maps are nested more than 100 levels deep. No configuration does that.",
        "Look whether the file is what you meant to give.",
    ),
    "MA1008": Code(
        "too many values",
        "The stream has more than 200,000 texts, numbers, lists and maps.",
        "Look whether the file is what you meant to give; put large contents into one text.",
    ),
    "MA1009": Code(
        "alias",
        "An alias (`*name`) names no anchor before it, stands in what it names, or repeats so much that "
        "the document would grow beyond what is read.",
        "Put the anchor (`&name`) before its aliases, or write the values out.",
    ),
    "MA1010": Code(
        "tag",
        "A tag such as `!!binary`, `!!python/name` or `!secret` stands before a value. Tags are not read: "
        "what a value is, its field says.",
        "Remove the tag. Quote the value if it is text; give bytes as base64 beside `encoding: base64`.",
    ),
    "MA1011": Code(
        "merge key",
        "`<<` merges a map into another in YAML 1.1; YAML 1.2 has dropped it, and readers differ.",
        "Write the fields out. An alias for a whole value is read.",
    ),
    "MA1012": Code(
        "directive",
        "A `%TAG` directive stands before the document. `%YAML 1.1` and `%YAML 1.2` are let pass.",
        "Remove it.",
    ),
    "MA1013": Code(
        "the document is not a map",
        "The document is a list or a single value.",
        "Give a map with apiVersion, kind and spec. Several documents are separated by a line `---`.",
    ),
    "MA1014": Code(
        "tab",
        "A tab indents a line; YAML takes blanks only.",
        "Replace tabs by blanks: `expand FILE`.",
    ),
    "MA1015": Code(
        "too many documents",
        "The stream has more than 1000 documents, empty ones between two markers included.",
        "Look whether the file is what you meant to give.",
    ),
    "MA1016": Code(
        "too many problems",
        "The document has more than 200 problems; the first are shown.",
        "Look whether the file is what you meant to give; fix what is shown and validate again.",
    ),
    "MA1101": Code(
        "wrong type",
        "The field wants another kind of value: text, number, true or false, list, map.",
        "See the field's type in the reference. A list's items begin with a dash; a colon takes a blank "
        "behind it.",
    ),
    "MA1102": Code(
        "unquoted value",
        "Text is wanted, and what stands there without quotes is a number, a boolean or a date to YAML: "
        "`0644` is the number 420, `yes` is true, `1.30` is 1.3. Where any value may stand, one that "
        "readers of YAML 1.1 and 1.2 understand differently is refused, too.",
        'Put it in double quotes: "0644".',
    ),
    "MA1103": Code(
        "none of the choices",
        "The field takes one of few words, and this is none of them. Case counts.",
        "Write one of those that the hint lists.",
    ),
    "MA1104": Code(
        "number out of range",
        "The number is smaller or larger than the field allows.",
        "The hint says what is allowed.",
    ),
    "MA1105": Code(
        "text too short or too long",
        "The text is empty, or shorter or longer than the field allows (counted in characters).",
        "The message says what is allowed. Large contents can be fetched by `source`.",
    ),
    "MA1106": Code(
        "too few or too many items",
        "The list or map has fewer or more items than the field allows.",
        "The message says what is allowed.",
    ),
    "MA1107": Code(
        "text of a wrong form",
        "The text has not the form that the field wants: a mode, a path, a name, a version, a digest.",
        "The message says what is wanted, mostly with an example.",
    ),
    "MA1108": Code(
        "more than one line",
        "The field is one line by nature (a name, a path, a mode), and the text has a line break or "
        "another control character. In a name it would inject lines into files.",
        "Put it into one line. A block scalar (`|`) ends in a newline; `|-` does not.",
    ),
    "MA1109": Code(
        "text that does not parse",
        "The text looks right but is none: an address with 300 in it, base64 that is cut off, a PEM block "
        "without its end.",
        "The message says what is wanted.",
    ),
    "MA1110": Code(
        "repeated item",
        "Two items of the list are the same, or have the same name or path.",
        "Remove one, or give it another name.",
    ),
    "MA1111": Code(
        "number in an unclear notation",
        "A number with a leading zero, an underscore, a colon, or to another base: readers of YAML 1.1 "
        "and 1.2 understand different numbers.",
        "Write it in decimal, without leading zeros.",
    ),
    "MA1199": Code(
        "refused by the decoder",
        "The decoder refuses the document for a reason that the search for problems did not find. The "
        "message is the decoder's own.",
        "Fix what it says, and please report it: every refusal should have a code of its own.",
    ),
    "MA1201": Code(
        "apiVersion or kind is missing",
        "Without both nobody knows what the document is.",
        "Begin the document with the two lines that the hint shows.",
    ),
    "MA1202": Code(
        "unknown apiVersion or kind",
        "This release does not read documents of that kind. Configurations for the management cluster "
        "(MachineBootstrap) are not read on a machine.",
        "Write one that the hint lists; `machineadm version` shows what this release reads.",
    ),
    "MA1203": Code(
        "unknown field",
        "The map has no field of that name: it is mistyped, stands at a wrong place, or belongs to another "
        "release. It is never ignored: an ignored field is a machine that is not what was asked for.",
        "Take the suggestion, or look the field up in the reference.",
    ),
    "MA1204": Code(
        "required field is missing",
        "The map lacks a field without which it means nothing. The place is that of the map.",
        "Add the field.",
    ),
    "MA1205": Code(
        "duplicate key",
        "A key stands twice in one map. Most readers keep the last and forget the first, silently.",
        "Keep one. If both are wanted, the field is a list.",
    ),
    "MA1206": Code(
        "null",
        "The field has no value (`key:` with nothing behind it, `~`, `null`). Only in `taints` null says "
        "something.",
        'Give it a value, or remove the line. An empty text is "", an empty list [], an empty map {}.',
    ),
    "MA1207": Code(
        "key that is not text",
        "A key is a number, a boolean (`on`, `yes`), null, a list or a map.",
        "Put it in double quotes.",
    ),
    "MA1208": Code(
        "unknown type of a variant",
        "The field `type` chooses between variants of a map, and there is none of that name.",
        "Write one that the hint lists. Case counts.",
    ),
    "MA1209": Code(
        "type of a variant is missing",
        "The map is one of several variants, which its field `type` tells apart.",
        "Add `type` with one of the words that the hint lists.",
    ),
    "MA1210": Code(
        "field of another variant",
        "The field exists, but in another variant of the map than the one that `type` names: a token for "
        "a worker's role, an endpoint for discovery by file.",
        "Remove the field, or change `type`.",
    ),
}
