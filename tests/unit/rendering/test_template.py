"""The template language: what comes out, and what is refused where."""

from __future__ import annotations

import pytest

from machineadm.rendering.template import Function, Template, TemplateError

FUNCTIONS = {
    "machine_config": Function(0, lambda: b"CONFIG"),
    "agent_fetch": Function(0, lambda: b""),
    "base64": Function(1, lambda text: b"<" + text + b">"),
    "gzip": Function(1, lambda text: b"[" + text + b"]"),
}


def fill(text: str) -> bytes:
    return Template(text, FUNCTIONS).render()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("no action: } }} { {%", b"no action: } }} { {%"),
        ("a {{machine_config}} b\n", b"a CONFIG b\n"),
        ("{{machine_config | gzip | base64}}", b"<[CONFIG]>"),
        ("{{ machine_config|gzip|base64 }}", b"<[CONFIG]>"),
        ("{{base64 machine_config}}", b"<CONFIG>"),
        ("{{base64 (gzip machine_config)}}", b"<[CONFIG]>"),
        ("{{(machine_config | gzip) | base64}}", b"<[CONFIG]>"),
        ('{{"a\\tb\\x41\\u00e4\\"" | base64}}', '<a\tbA\u00e4">'.encode()),
        ('{{"}}"}}', b"}}"),
        ("{{`a\\n{{`}}", b"a\\n{{"),
        ("{{`a\r\nb`}}", b"a\nb"),
        ("a \n {{- machine_config -}} \n b", b"aCONFIGb"),
        ("a {{- /* nothing */ -}} b", b"ab"),
        ("a {{/* {{x}} */}} b", b"a  b"),
        ("{{\nmachine_config\n}}", b"CONFIG"),
        ("{{if machine_config}}yes{{else}}no{{end}}", b"yes"),
        ("{{if agent_fetch}}yes{{else}}no{{end}}", b"no"),
        ("{{if agent_fetch}}1{{else if true}}2{{else}}3{{end}}", b"2"),
        ("{{if false}}1{{else if agent_fetch}}2{{end}}.", b"."),
        ("{{if true}}{{if false}}a{{else}}b{{end}}{{end}}", b"b"),
        ("{{true}}", b"true"),
        ("{{machine_config -}}\n", b"CONFIG"),
    ],
)
def test_a_template_means_what_it_means_to_go(text: str, expected: bytes) -> None:
    assert fill(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a\nb {{machine_config", "MA1610", 2, 3),
        ("{{}}", "MA1610", 1, 3),
        ("{{machine_config |}}", "MA1611", 1, 19),
        ("{{| base64}}", "MA1610", 1, 3),
        ("{{(machine_config}}", "MA1610", 1, 18),
        ("{{machine_config)}}", "MA1610", 1, 17),
        ('{{"a}}', "MA1610", 1, 3),
        ('{{"a\n"}}', "MA1610", 1, 3),
        ('{{"\\q"}}', "MA1610", 1, 4),
        ('{{"\\400"}}', "MA1610", 1, 4),
        ('{{"\\ud800"}}', "MA1610", 1, 4),
        ("{{`a}}", "MA1610", 1, 3),
        ("{{ /* a */}}", "MA1610", 1, 4),
        ("{{/* a */ }}", "MA1610", 1, 8),
        ("{{/* a }}", "MA1610", 1, 1),
        ("{{end}}", "MA1610", 1, 3),
        ("{{if true}}", "MA1610", 1, 12),
        ("{{if}}{{end}}", "MA1610", 1, 5),
        ("{{if true}}{{else}}{{else}}{{end}}", "MA1610", 1, 22),
        ("{{if true}}{{end x}}", "MA1610", 1, 18),
        ("{{base64`a`}}", "MA1610", 1, 9),
        ("{{@}}", "MA1610", 1, 3),
        ("{{.Values}}", "MA1611", 1, 3),
        ("{{$x := 1}}", "MA1611", 1, 3),
        ("{{base64 1}}", "MA1611", 1, 10),
        ("{{range machine_config}}{{end}}", "MA1611", 1, 3),
        ("{{with machine_config}}{{end}}", "MA1611", 1, 3),
        ('{{define "x"}}{{end}}', "MA1611", 1, 3),
        ('{{printf "x"}}', "MA1611", 1, 3),
        ("{{nil}}", "MA1611", 1, 3),
        ("{{" + 60 * "(" + "machine_config" + 60 * ")" + "}}", "MA1611", 1, 53),
        ("{{machine_config" + 60 * "|base64" + "}}", "MA1611", 1, 361),
        ("{{b64enc machine_config}}", "MA1612", 1, 3),
        ("{{base64}}", "MA1613", 1, 3),
        ("{{machine_config base64}}", "MA1613", 1, 18),
        ("{{base64 true}}", "MA1613", 1, 3),
        ('{{machine_config | "a"}}', "MA1613", 1, 20),
        ('{{"a" "b"}}', "MA1613", 1, 3),
    ],
)
def test_what_is_refused_has_its_place(text: str, code: str, line: int, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        fill(text)

    assert (caught.value.code, caught.value.line, caught.value.column) == (code, line, column)


def test_pieces_say_what_they_were_made_of() -> None:
    pieces = list(Template("a{{machine_config | gzip}}", FUNCTIONS).pieces())

    assert [(piece.data, sorted(piece.names)) for piece in pieces] == [
        (b"a", []),
        (b"[CONFIG]", ["machine_config"]),
    ]


@pytest.mark.parametrize(
    ("text", "column"),
    [("{{machine_config}}" * 20, 1), ("{{machine_config | base64 | base64}}", 29)],
)
def test_a_template_cannot_fill_the_memory(text: str, column: int) -> None:
    functions = {
        "machine_config": Function(0, lambda: bytes(1024 * 1024)),
        "base64": Function(1, lambda data: data * 8),
    }
    with pytest.raises(TemplateError) as caught:
        Template(text, functions).render()

    assert (caught.value.code, caught.value.column) == ("MA1614", column)
