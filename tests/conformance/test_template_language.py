"""Templates of user data mean to us what they mean to Go: the same bytes, or refused by both.

What we refuse and Go does not is on the list here, and nothing else is.
"""

from __future__ import annotations

import random

import pytest

from machineadm.rendering.builtin import BUILTINS
from machineadm.rendering.functions import functions
from machineadm.rendering.template import Function, Template, TemplateError
from tests.judges import judges

CONFIG = b'a\tb "c" \\ {{x}} ${#a[@]}\r\n\xc3\xa4\xe2\x80\xa8\x7f\n\n'
PATH = b"/opt/bin/machine adm"

STRICTER = {
    "MA1611": "what Go has and we have not: variables, fields, numbers, range, its own functions, depth, a pipe into nothing",
    "MA1613": "a wrong argument in a branch that is not taken, which Go does not come to",
}
"""Codes of what we refuse and Go takes."""

SAMPLES = [
    "",
    "text",
    "}}",
    "{{machine_config}}",
    "{{ machine_config | gzip | base64 }}",
    "{{machine_config|base64|base64}}",
    "{{base64 machine_config}}",
    "{{base64 (gzip machine_config)}}",
    "{{(machine_config)}}",
    "{{((machine_config) | base64)}}",
    "{{(machine_config | quote)}}",
    "{{machine_config | quote}}",
    "{{agent_path | quote}}",
    '{{"\\xff" | quote}}',
    '{{"\\xff" | base64}}',
    '{{"\\a\\b\\f\\n\\r\\t\\v\\\\\\"\\101\\x41\\u00e4\\U0001f600"}}',
    '{{"\\\'"}}',
    '{{"\\400"}}',
    '{{"\\ud800"}}',
    '{{"\\U00110000"}}',
    '{{"\\x4"}}',
    '{{"\\\n"}}',
    '{{"a\\"}}',
    "{{`\\n`}}",
    "{{`a\r\nb`}}",
    "{{``}}",
    "a {{- machine_config -}} b",
    "a {{-machine_config}}",
    "a {{machine_config-}} b",
    "a {{machine_config  -}}\n\n b",
    "a\n\n{{-\nmachine_config\n-}}\n b",
    "{{- -}}",
    "{{- }}",
    "{{ -}}",
    "a {{- /* c */ -}} b",
    "a {{/* c */}} b",
    "a {{/* c */ -}} b",
    "a {{- /* c */}} b",
    "{{/* {{ }} */}}",
    "{{ /* c */}}",
    "{{/* c */ }}",
    "{{/* c",
    "{{/**/}}",
    "{{if true}}a{{end}}",
    "{{if agent_fetch}}a{{end}}",
    "{{if machine_config}}a{{else}}b{{end}}",
    "{{if agent_fetch}}a{{else if machine_config}}b{{else}}c{{end}}",
    "{{if agent_fetch}}a{{else  if  false}}b{{else}}c{{end}}",
    "{{if agent_fetch}}a{{else}}{{if true}}b{{end}}{{end}}",
    "{{if true -}} a {{- end}}",
    "{{if machine_config | base64}}a{{end}}",
    "{{if (agent_fetch)}}a{{end}}",
    '{{if ""}}a{{end}}',
    "{{if}}a{{end}}",
    "{{if true}}",
    "{{end}}",
    "{{else}}",
    "{{if true}}{{else}}{{else}}{{end}}",
    "{{if true}}{{else x}}{{end}}",
    "{{if true}}{{end x}}",
    "{{if true}}{{end | base64}}",
    "{{if true}}{{else with}}{{end}}",
    "{{machine_config end}}",
    "{{true}}",
    "{{false | base64}}",
    "{{true false}}",
    "{{base64 true}}",
    "{{base64}}",
    "{{base64 base64}}",
    "{{base64 machine_config machine_config}}",
    "{{machine_config machine_config}}",
    "{{machine_config | machine_config}}",
    '{{"a" | "b"}}',
    '{{"a" "b"}}',
    '{{"a""b"}}',
    '{{"a"|base64}}',
    '{{base64"a"}}',
    '{{base64("a")}}',
    '{{base64 ("a")("b")}}',
    '{{("a") | ("b")}}',
    "{{machine_config | }}",
    "{{machine_config ||base64}}",
    "{{ | base64}}",
    "{{}}",
    "{{()}}",
    "{{(}}",
    "{{)}}",
    "{{(machine_config}}",
    "{{(machine_config -}}",
    "{{machine_config)}}",
    "{{machine_config,base64}}",
    "{{machine_config.x}}",
    "{{(machine_config).x}}",
    "{{machine_config @}}",
    "{{mächine}}",
    "{{machine_config\x00}}",
    "\x00{{machine_config}}\x00",
    "{{unknown}}",
    "{{if false}}{{unknown}}{{end}}",
    "{{if false}}{{base64}}{{end}}",
    "{{if false}}{{base64 true}}{{end}}",
    '{{if false}}{{"a" "b"}}{{end}}',
    "{{if false}}{{machine_config | `a`}}{{end}}",
    "{{.}}",
    "{{. | base64}}",
    "{{$x := machine_config}}{{$x}}",
    "{{$}}",
    "{{1}}",
    "{{-1}}",
    "{{- 1}}",
    "{{'a'}}",
    "{{nil}}",
    '{{printf "%q" machine_config}}',
    "{{len machine_config}}",
    "{{not true}}",
    "{{with machine_config}}{{.}}{{end}}",
    '{{range "abc"}}x{{end}}',
    "{{range machine_config}}{{else}}{{end}}",
    '{{define "a"}}x{{end}}{{template "a"}}',
    '{{block "a" .}}x{{end}}',
    "{{break}}",
    "{{continue}}",
    "{{" + "(" * 60 + "machine_config" + ")" * 60 + "}}",
    "{{if true}}" * 60 + "{{end}}" * 60,
]
PARTS = [
    *("{{", "}}", "{{- ", " -}}", "{{", "}}", "-", "\n", " ", "  ", "\t", "x", "ä", "(", ")", "|"),
    *("machine_config", "agent_fetch", "agent_path", "base64", "quote", "gzip", "true", "false"),
    *(
        "if ",
        "else",
        "end",
        "else if ",
        "{{if ",
        "{{else}}",
        "{{end}}",
        "{{ end }}",
        "{{/*",
        "*/}}",
    ),
    *(
        '"',
        "`",
        '"a"',
        '""',
        "`b`",
        '"\\n"',
        "\\",
        ".",
        "$x",
        "1",
        "nil",
        "range ",
        "/*",
        " | base64",
    ),
]


def ours(text: str, fetch: bytes) -> bytes | TemplateError:
    known = functions(CONFIG, fetch, PATH)
    known["gzip"] = Function(1, lambda data: b"gzip(" + data + b")")
    try:
        return Template(text, known).render()
    except TemplateError as error:
        return error


def action(chance: random.Random, depth: int = 0) -> str:
    """An expression that mostly is one."""
    kind = chance.randrange(7 if depth < 3 else 3)
    if kind == 0:
        return chance.choice(["machine_config", "agent_fetch", "agent_path"])
    if kind == 1:
        return chance.choice(['"a b"', "`c`", '"\\x00\\u00e4"', "true", "false", '""', '"\\xfe"'])
    if kind == 2:
        return chance.choice(["agent_fetch", "machine_config", "base64", "1", "."])
    function = chance.choice(["base64", "gzip", "quote", "quote"])
    inner = action(chance, depth + 1)
    blank = chance.choice(["", " ", "\n"])
    forms = [
        f"{inner}{blank}|{blank}{function}",
        f"{function} ({inner})",
        f"({inner} | {function})",
        f"{function} {inner}",
    ]
    return chance.choice(forms)


def items(chance: random.Random, depth: int = 0) -> str:
    found = []
    for _ in range(chance.randrange(4)):
        left, right = chance.choice(["{{", "{{- ", "{{ "]), chance.choice(["}}", " -}}", " }}"])
        text = chance.choice(["", " x ", "\n", "\t- ", "} }", "ä\r\n"])
        if chance.random() < 0.4 and depth < 3:
            inner = items(chance, depth + 1)
            middle = chance.choice(["", "{{else}}", "{{else if agent_fetch}}", "{{- else -}} "])
            rest = items(chance, depth + 1) if middle else ""
            found.append(
                f"{left}if {action(chance)}{right}{inner}{middle}{rest}{left}end{right}{text}"
            )
        else:
            found.append(f"{text}{left}{action(chance)}{right}{text}")
    return "".join(found)


def generated() -> list[str]:
    chance = random.Random(20260101)  # noqa: S311 - the same templates each time
    grown = [items(chance) for _ in range(6000)]
    scrambled = ["".join(chance.choices(PARTS, k=chance.randrange(1, 9))) for _ in range(6000)]
    damaged = []
    for text in grown[:4000]:
        at = chance.randrange(len(text) + 1)
        damaged.append(text[:at] + chance.choice(PARTS) + text[at + chance.randrange(3) :])
    return [*grown, *scrambled, *damaged]


def differences(texts: list[str], fetch: bytes) -> list[str]:
    """What we and Go do not agree on, but for what we refuse on purpose."""
    requests = [
        {"template": text.encode(), "config": CONFIG, "fetch": fetch, "path": PATH}
        for text in texts
    ]
    found = []
    for text, theirs in zip(texts, judges.template_fill(requests), strict=True):
        mine = ours(text, fetch)
        refused = isinstance(mine, TemplateError)
        if refused == isinstance(theirs, str) and (refused or mine == theirs):
            continue
        stricter = mine.code if isinstance(mine, TemplateError) else ""
        if stricter in STRICTER and ("if" in text or stricter != "MA1613"):
            continue
        found.append(f"{text!r}: ours {mine!r}, Go's {theirs!r}")
    return found


@pytest.mark.parametrize("fetch", [b"", b"#!/bin/sh\n"], ids=["preinstalled", "fetched"])
def test_templates_mean_what_they_mean_to_go(fetch: bytes) -> None:
    texts = [*SAMPLES, *(builtin.text for builtin in BUILTINS.values()), *generated()]

    assert differences(texts, fetch) == []


def test_most_generated_templates_are_templates() -> None:
    results = [ours(text, b"x") for text in generated()]

    assert sum(isinstance(result, bytes) and b"{{" not in result for result in results) > 3000


def test_a_planted_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machineadm.rendering.lexer.BLANKS", " \t")

    assert differences(["a\n{{- machine_config}}"], b"") != []


def test_each_thing_that_we_refuse_and_go_takes_occurs() -> None:
    asked = [
        {"template": text.encode(), "config": CONFIG, "fetch": b"", "path": PATH}
        for text in SAMPLES
    ]
    codes = set()
    for text, theirs in zip(SAMPLES, judges.template_fill(asked), strict=True):
        mine = ours(text, b"")
        if isinstance(mine, TemplateError) and isinstance(theirs, bytes):
            codes.add(mine.code)

    assert codes == set(STRICTER)
