"""What the reader of user data would take for something else than what stands there is refused, with its place."""

from __future__ import annotations

import json

import pytest

from machineadm.rendering.readers import UnfitError, cloud_configs, ignition_config

HEAD = "#cloud-config\n"
MAIL = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=XX\n\n"


def mail(*parts: tuple[str, str], head: str = MAIL) -> str:
    bodies = (f"--XX\nContent-Type: {kind}\n\n{text}\n" for kind, text in parts)
    return head + "".join(bodies) + "--XX--\n"


def refusal(user_data: str) -> UnfitError:
    with pytest.raises(UnfitError) as caught:
        cloud_configs(user_data.encode())
    return caught.value


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("runcmd: [a]\nruncmd: [b]\n", "line 3, column 1"),
        ("runcmd: [a]\n'runcmd': [b]\n", "line 3, column 1"),
        ('"run\\x63md": [a]\nruncmd: [b]\n', "line 3, column 1"),
        ("write_files:\n- path: /a\n  path: /b\n", "line 4, column 3"),
        ("write_files:\n- {path: /a, content: x, path: /b}\n", "line 3, column 26"),
        ("a: {b: {c: 1, d: 2, c: 3}}\n", "line 2, column 21"),
        ("users:\n- name: a\n  sudo: x\n- &a {name: b, name: c}\n- *a\n", "line 5, column 16"),
        ("&k runcmd: [a]\n*k : [b]\n", "line 2, column 1"),
        ("yes: 1\ntrue: 2\n", "line 3, column 1"),
        ("1: a\n1.0: b\n", "line 3, column 1"),
        ("null: a\n~: b\n", "line 3, column 1"),
        ("8: a\n0x8: b\n", "line 3, column 1"),
        ("010: a\n8: b\n", "line 3, column 1"),
        ("a: {1000: x, 1_000: y}\n", "line 2, column 14"),
    ],
)
def test_of_two_equal_keys_one_would_count(text: str, place: str) -> None:
    found = refusal(HEAD + text)

    assert found.code == "MA1622"
    assert found.message.startswith(f"{place} of the user data: ")
    assert "only one of them counts" in found.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a {x: 1}\nb:\n  <<: *a\n", "line 4, column 3 of the user data: a merge key"),
        ("b:\n- <<: [{x: 1}, {y: 2}]\n", "line 3, column 3 of the user data: a merge key"),
        ("a: !!binary eA==\n", "line 2, column 4 of the user data: tags are not supported"),
        ("a: !secret x\n", "tags are not supported"),
        ("a: !!python/object/apply:os.system [id]\n", "tags are not supported"),
        ("--- !!map\na: 1\n", "tags are not supported"),
        ("? [a]\n: b\n", "line 2, column 3 of the user data: a key is not a scalar"),
        ("? {a: b}\n: c\n", "a key is not a scalar"),
        ("a: 1\n---\nb: 2\n", "a second document begins"),
        ("a: 1\n...\n---\nb: 2\n", "a second document begins"),
        ("a: *b\n", "line 2, column 4 of the user data: the alias refers to nothing"),
        ("a: [1\n", "not YAML"),
        ("- a\n", "a cloud-config is a map"),
        ("", "a cloud-config is a map"),
        ("just text\n", "a cloud-config is a map"),
    ],
)
def test_what_a_reader_takes_for_something_else_is_refused(text: str, words: str) -> None:
    found = refusal(HEAD + text)

    assert found.code == "MA1622"
    assert words in found.message


@pytest.mark.parametrize("text", ["a: &a {x: 1}\nb: *a\nc: *a\n", "'<<': 1\n", "a: 1\n...\n", ""])
def test_what_all_readers_read_alike_is_taken(text: str) -> None:
    assert len(cloud_configs(f"{HEAD}x: 1\n{text}".encode())) == 1


@pytest.mark.parametrize(
    "begin",
    [
        "#cloud-config",
        "#cloud-config # ours",
        "#Cloud-Config",
        "  \n#cloud-config",
        "#cloud-configuration",
    ],
)
def test_a_cloud_config_is_told_as_cloud_init_tells_it(begin: str) -> None:
    assert len(cloud_configs(f"{begin}\na: 1\n".encode())) == 1
    assert "only one of them counts" in refusal(f"{begin}\na: 1\na: 2\n").message


@pytest.mark.parametrize(
    "text",
    [
        "## template: jinja\n#cloud-config\n{}\n",
        "\n  ## Template: Jinja\n#cloud-config\n{}\n",
        "#cloud-config-archive\n- type: text/jinja2\n  content: x\n",
        "#cloud-config-archive\n- content: |\n    ## template: jinja\n    #cloud-config\n",
        "#cloud-config-archive\n- |\n  ## template: jinja\n",
        mail(("text/jinja2", "#cloud-config\n")),
        mail(("text/plain", "## template: jinja\n#cloud-config\n")),
        mail(("text/cloud-config", "a: 1"), ("text/x-shellscript", "## template: jinja\n")),
    ],
)
def test_jinja_is_refused_wherever_cloud_init_would_run_it(text: str) -> None:
    assert refusal(text).code == "MA1621"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEAD}# MIME-Version: 1.0\na: \u00f6\n", "as a mail"),
        (f"{HEAD}write_files:\n- content: |\n    mime-version: 1.0 \u20ac\n", "a mail, and misreads it"),
        ("#cloud-config:\n# Mime-Version: 1.0\na: 1\n", "a mail, and misreads it"),
        (f"{HEAD}# MIME-Version: 1.0\na: 1\na: 2\n", "line 4, column 1 of part 1 of the mail"),
        (mail(("text/cloud-config", "a: 1\na: 2")), "line 2, column 1 of part 1 of the mail"),
        (mail(("text/plain", "#cloud-config\na: 1\na: 2")), "line 3, column 1 of part 1 of the mail"),
        (mail(("text/cloud-config", "runcmd: [a]"), ("text/cloud-config", "runcmd: [b]")),
         "runcmd is in part 1 of the mail and in part 2 of the mail"),
        (mail(("text/x-shellscript", "#!/bin/sh"), ("text/cloud-config", "- a")), "is a map; part 2"),
        (mail(("text/plain", "nothing")), "cannot tell what part 1 of the mail is"),
        (mail(("text/plain", "x")).replace("--XX", "--YY"), "its boundary is not in it"),
        ("Content-Type: text/cloud-config\n\na: 1\n", "cannot tell what the user data is"),
        ("From me\n\na: 1\n", "cannot tell what the user data is"),
        ("#cloud-config-archive\n- |\n  a: 1\n  a: 2\n", "line 2, column 1 of part 1 of the archive"),
        ("#cloud-config-archive\n- content: 'a: 1'\n- content: 'a: 2'\n", "a is in part 1 of the"),
        ("#cloud-config-archive\n- {content: x, content: 'a: 1'}\n", "line 2, column 16 of the user data"),
        ("#cloud-config-archive\na: 1\n", "a cloud-config-archive is a list"),
        ('#cloud-config-jsonp\n[{"op": "add", "op": "remove"}]\n', "line 2, column 16"),
        ("#cloud-config-jsonp\nop: add\n", "not JSON"),
        ("#include\nhttps://a.example/x\na: 1\n", "line 3 of the user data is not a URL"),
        ("#include-once not-a-url\n", "line 1 of the user data is not a URL"),
        (mail(("text/x-include-url", "https://a.example/x\nruncmd: [a]")), "line 2 of part 1 of the mail is not a URL"),
        ("hello\n", "cannot tell what the user data is"),
        ("\ufeff#cloud-config\na: 1\n", "cannot tell what the user data is"),
    ],
)  # fmt: skip
def test_every_part_is_read_as_cloud_init_cuts_it(text: str, words: str) -> None:
    found = refusal(text)

    assert found.code == "MA1622"
    assert words in found.message


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#!/bin/sh\na: 1\na: 2\n", 0),
        ("#include\n# ours\nhttps://a.example/x\n", 0),
        ("#cloud-boothook\nx\n", 0),
        ("#part-handler\nimport x\n", 0),
        (mail(("text/cloud-config", "a: 1"), ("text/x-shellscript", "#!/bin/sh"), ("text/cloud-config", "b: 1")), 2),
        (mail(("text/cloud-config", "runcmd: [a]"), ("text/cloud-config", "merge_how: 'list(append)'\nruncmd: [b]")), 2),
        ("#cloud-config-archive\n- type: text/x-shellscript\n  content: '#!/bin/sh'\n- 'a: 1'\n", 1),
        (HEAD + "x: " + "y" * 4096 + "\nz: 'MIME-Version: 1.0'\n", 1),
    ],
)  # fmt: skip
def test_parts_that_do_not_meet_are_taken(text: str, number: int) -> None:
    assert len(cloud_configs(text.encode())) == number


def ignition(text: str) -> UnfitError:
    with pytest.raises(UnfitError) as caught:
        ignition_config(text.encode())
    return caught.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"ignition": {"version": "3.4.0"}, "storage": {}, "storage": {}}', "line 1, column 51"),
        ('{"ignition": {"version": "2.3.0", "version": "3.4.0"}}', "line 1, column 35"),
        ('{"ignition": {"version": "3.4.0"}, "Ignition": {}}', "line 1, column 36"),
        ('{"ignition": {"version": "3.4.0"}, "storage": {}, "\\u0053torage": {}}', "column 51"),
        ('{"ignition": {"version": "3.4.0"}, "storage": {}, "\\u017ftorage": {}}', "column 51"),
        (
            '{"ignition": {"version": "3.4.0"},\n "storage": {"files": [{"path": "/a", "mode": 1, "Mode": 2}]}}',
            "line 2",
        ),
        ('{"ignition": {"version": "3.4.0"}, "storages": {}}', "no key 'storages'"),
        ('{"ignition": {"version": "3.4.0"}, "Storage": {}}', "no key 'Storage'"),
        ('{"ignition": {"version": "3.4.0"}, "networkd": {}}', "no key 'networkd'"),
        (
            '{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"permissions": 384}]}}',
            "no key 'permissions'",
        ),
        ('{"ignition": {"version": "2.3.0"}, "systemd": {"unit": []}}', "no key 'unit'"),
        ('{"ignition": {"version": "3.4.0"}} {}', "Ignition reads JSON"),
        ('{"ignition": {"version": "3.4.0"},}', "Ignition reads JSON"),
        ('{"ignition": {}}', "Ignition requires ignition.version"),
        ("[]", "Ignition requires ignition.version"),
        ("#cloud-config\n{}", "Ignition reads JSON"),
    ],
)
def test_what_ignition_would_pass_over_or_take_the_last_of_is_refused(
    text: str, words: str
) -> None:
    found = ignition(text)

    assert found.code == "MA1622"
    assert words in found.message


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("runcmd: machineadm bootstrap\n", "line 2, column 9", "runcmd is not a list of commands"),
        ("bootcmd: {a: b}\n", "line 2, column 10", "bootcmd is not a list of commands"),
        ('runcmd:\n- echo "a": b\n- c\n', "line 3, column 3", "an item of runcmd is a map"),
        ("runcmd:\n- echo ready: yes\n", "line 3, column 3", "an item of runcmd is a map"),
        ("write_files:\n  path: /a\n", "line 3, column 3", "write_files is not a list of files"),
        ("write_files: [/a]\n", "line 2, column 15", "an item of write_files is not a map"),
    ],
)
def test_a_list_that_cloud_init_would_give_up_on_is_refused(
    text: str, place: str, words: str
) -> None:
    found = refusal(HEAD + text)

    assert found.code == "MA1622"
    assert found.message.startswith(f"{place} of the user data: {words}")


@pytest.mark.parametrize(
    "text",
    ["runcmd:\n", "runcmd: []\n", "runcmd:\n- a: \"b\"\n".replace("a: ", "a:"), "runcmd:\n- [a, 'b: c']\n- 'd: e'\n",
     "write_files: []\nbootcmd: ~\n"],
)  # fmt: skip
def test_a_list_that_cloud_init_reads_is_taken(text: str) -> None:
    assert len(cloud_configs((HEAD + text).encode())) == 1


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ({"files": [{"path": "/a", "mode": "0644"}]}, "mode is not a number"),
        ({"files": [{"path": "/a", "mode": True}]}, "mode is not a number"),
        (
            {"disks": [{"device": "/dev/sda", "partitions": [{"number": "1"}]}]},
            "number is not a number",
        ),
        ({"files": [{"path": "/a", "overwrite": "true"}]}, "overwrite is neither true nor false"),
        (
            {"disks": [{"device": "/dev/sda", "wipeTable": 1}]},
            "wipeTable is neither true nor false",
        ),
        ({"files": [{"path": "/a"}, {"path": "/a"}]}, "'/a' is in storage twice"),
        (
            {"files": [{"path": "/a"}], "links": [{"path": "/a", "target": "/b"}]},
            "'/a' is in storage twice",
        ),
        ({"directories": [{"path": "/a"}], "files": [{"path": "/a"}]}, "'/a' is in storage twice"),
    ],
)
def test_what_stops_ignition_at_boot_is_refused(storage: dict[str, object], words: str) -> None:
    config = {"ignition": {"version": "3.4.0"}, "storage": storage}

    with pytest.raises(UnfitError) as caught:
        ignition_config(json.dumps(config).encode())

    assert caught.value.code == "MA1622"
    assert words in caught.value.message
    assert "stop the boot" in caught.value.message


def test_a_path_twice_is_nothing_to_ignition_2() -> None:
    files = [
        {"filesystem": "root", "path": "/a"},
        {"filesystem": "root", "path": "/a", "append": True},
    ]

    assert ignition_config(
        json.dumps({"ignition": {"version": "2.3.0"}, "storage": {"files": files}}).encode()
    )


@pytest.mark.parametrize("version", ["3.0.0", "3.5.0", "2.2.0", "4.0.0-experimental"])
def test_an_ignition_configuration_is_read_whole(version: str) -> None:
    config = {
        "ignition": {"version": version},
        "storage": {"files": [{"path": "/a", "mode": 384, "contents": {"source": "data:,x"}}]},
        "systemd": {"units": [{"name": "a.service", "enabled": True, "dropins": []}]},
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["x"]}]},
    }

    assert ignition_config(json.dumps(config).encode()) == config
