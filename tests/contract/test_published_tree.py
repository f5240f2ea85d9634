"""What is published, as whoever downloads it finds it: with curl, openssl, sha256sum and a shell alone."""

import contextlib
import fcntl
import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores import judging, publishing, releases
from tests.stores.publishing import Keys

PYZ = "machineadm-linux-amd64.pyz"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return publishing.keys(tmp_path / "keys")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    path.mkdir()
    return path


@pytest.fixture
def base(tree: Path) -> Iterator[str]:
    """The tree behind a static server, as in the management cluster."""
    handler = functools.partial(_Quiet, directory=str(tree))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def release(tmp_path: Path, keys: Keys) -> Path:
    return releases.make(tmp_path / "dist", key=keys.signer)


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    path = tmp_path / "fetched"
    path.mkdir()
    return path


@pytest.mark.requirement("R10", "R12")
def test_a_tree_behind_a_static_server_verifies_from_pointer_to_file(
    release: Path, tree: Path, base: str, keys: Keys, fetched: Path
) -> None:
    done = publishing.run("publish", release, "--to", tree, "--key", keys.uri)

    assert done.returncode == 0, done.stderr
    assert "channels/stable.json: v0.1.0" in done.stdout
    for number, pointer in enumerate(("channels/stable.json", "latest.json")):
        directory = fetched / str(number)
        directory.mkdir()
        assert judging.follow(base, pointer, keys.public, directory) == "v0.1.0"
        assert (directory / PYZ).read_bytes() == (release / PYZ).read_bytes()


@pytest.mark.parametrize(
    "name",
    [f"releases/v0.1.0/{PYZ}", "releases/v0.1.0/release.json", "releases/v0.1.0/SHA256SUMS", "latest.json",
     f"releases/v0.1.0/{PYZ}.sig", "latest.json.sig"],
)  # fmt: skip
def test_the_judge_finds_one_byte_changed_in_the_tree(
    release: Path, tree: Path, base: str, keys: Keys, fetched: Path, name: str
) -> None:
    assert publishing.run("publish", release, "--to", tree, "--key", keys.uri).returncode == 0
    data = bytearray((tree / name).read_bytes())
    data[-4] ^= 1
    (tree / name).write_bytes(data)

    with pytest.raises((judging.RefusedError, ValueError)):
        judging.follow(base, "latest.json", keys.public, fetched)


def test_the_judge_misses_a_file_that_is_not_there(
    release: Path, tree: Path, base: str, keys: Keys, fetched: Path
) -> None:
    assert publishing.run("publish", release, "--to", tree, "--key", keys.uri).returncode == 0
    (tree / f"releases/v0.1.0/{PYZ}").unlink()

    with pytest.raises(judging.RefusedError, match="404"):
        judging.follow(base, "latest.json", keys.public, fetched)


@pytest.mark.requirement("U8", "R11")
def test_an_air_gapped_site_does_what_the_page_says_and_serves_the_release(
    tmp_path: Path, release: Path, tree: Path, base: str, keys: Keys, fetched: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    file = site / "machineadm-v0.1.0-offline.tar.gz"
    done = publishing.run("bundle", release, "--output", file, "--key", keys.uri)
    assert done.returncode == 0, done.stderr
    shutil.copy(keys.public, site / "release.pub")
    page = (publishing.ROOT / "docs/publishing.md").read_text()
    steps = page.partition("## An air-gapped site")[2].partition("```sh\n")[2].partition("```")[0]
    assert "verify.sh" in steps

    run = subprocess.run(
        ["sh", "-eux", "-c", steps.replace("/srv/machineadm", str(tree))],
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Verified OK\nkey sha256:")
    for name in ("SHA256SUMS", *(f"machineadm-linux-{arch}.pyz" for arch in ("amd64", "arm64"))):
        judging.fetch(f"{base}/releases/v0.1.0/{name}", fetched / name)
    check = subprocess.run(
        ["sha256sum", "--check", "--ignore-missing", "SHA256SUMS"],
        cwd=fetched,
        check=True,
        capture_output=True,
    )
    assert check.stdout.count(b": OK") == 2


def test_unpacked_as_root_under_a_narrow_umask_a_server_can_still_read_it(
    tmp_path: Path, release: Path, keys: Keys
) -> None:
    file = tmp_path / "bundle.tar.gz"
    assert (
        publishing.run("bundle", release, "--output", file, "--public", keys.public).returncode == 0
    )

    with tarfile.open(file) as archive:
        modes = {member.mode for member in archive}

    assert modes == {0o755, 0o644}


def test_a_tree_is_readable_by_others_whatever_the_umask(
    release: Path, tree: Path, keys: Keys
) -> None:
    done = subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "sh"]
        + [
            str(word)
            for word in publishing.command("publish", release, "--to", tree, "--key", keys.uri)
        ],
        cwd=publishing.ROOT,
        check=True,
        capture_output=True,
    )

    assert done.returncode == 0
    below = list(tree.rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in below if path.is_file()} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in below if path.is_dir()} == {0o755}
    assert not [path for path in below if path.name.startswith(".")]


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_a_directory_is_named_by_path_or_uri(
    release: Path, tree: Path, keys: Keys, form: str
) -> None:
    target = form.format(tree)

    assert publishing.run("publish", release, "--to", target, "--key", keys.uri).returncode == 0
    assert json.loads((tree / "latest.json").read_bytes())["version"] == "v0.1.0"


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["--to", "gs://", "--key", "KEY"], "MA1850", 2),
        (["--to", "gs://bucket/../x", "--key", "KEY"], "MA1850", 2),
        (["--to", "ftp://host/x", "--key", "KEY"], "MA1850", 2),
        (["--to", "file://host/x", "--key", "KEY"], "MA1850", 2),
        (["--to", "s3://bucket", "--endpoint", "ftp://x", "--key", "KEY"], "MA1850", 2),
        (
            ["--to", "s3://b-t", "--endpoint", "http://u:hunter2@127.0.0.1", "--key", "KEY"],
            "MA1850",
            2,
        ),
        (["--to", "s3://u:hunter2@b", "--key", "KEY"], "MA1850", 2),
        (["--to", "TREE", "--endpoint", "http://127.0.0.1", "--key", "KEY"], "MA1850", 2),
        (["--to", "TREE", "--channel", "latest", "--key", "KEY"], "MA1851", 2),
        (["--to", "TREE"], "MA1801", 2),
        (["--to", "TREE/nowhere", "--key", "KEY"], "MA1858", 5),
    ],
)
def test_what_cannot_be_done_is_told_with_a_code_and_nothing_is_written(
    release: Path, tree: Path, keys: Keys, arguments: list[str], code: str, exit_code: int
) -> None:
    words = [word.replace("KEY", keys.uri).replace("TREE", str(tree)) for word in arguments]

    done = publishing.run("publish", release, *words)

    assert done.returncode == exit_code
    assert code in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert list(tree.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (f"echo >> {PYZ}", "MA172"),
        ("rm release.json.sig", "MA1724"),
        (f"rm {PYZ}.sigstore.json", "MA1724"),
        ("echo > extra.txt", "MA1725"),
        ("echo > left.sig", "MA1725"),
        ("ln -s release.json also.json", "MA1811"),
    ],
)
def test_a_release_that_is_not_in_order_is_not_published(
    release: Path, tree: Path, keys: Keys, damage: str, code: str
) -> None:
    subprocess.run(["sh", "-c", damage], cwd=release, check=True)

    done = publishing.run("publish", release, "--to", tree, "--key", keys.uri)

    assert done.returncode in (4, 5)
    assert code in done.stderr
    assert list(tree.iterdir()) == []


def test_a_key_that_the_release_does_not_name_signs_no_pointer(
    tmp_path: Path, release: Path, tree: Path, keys: Keys
) -> None:
    other = publishing.keys(tmp_path / "other")

    done = publishing.run(
        "publish", release, "--to", tree, "--key", other.uri, "--public", keys.public
    )

    assert done.returncode == 4
    assert "MA1863" in done.stderr
    assert list(tree.iterdir()) == []


def test_a_key_that_somebody_slipped_into_the_release_is_not_published(
    tmp_path: Path, release: Path, tree: Path, keys: Keys
) -> None:
    other = publishing.keys(tmp_path / "other").public.read_bytes()
    (release / "machineadm.pub").write_bytes(keys.public.read_bytes() + other)
    words: list[str | Path] = ["publish", release, "--to", tree, "--key", keys.uri]

    refused = publishing.run(*words)
    both = tmp_path / "both.pub"
    both.write_bytes(keys.public.read_bytes() + other)
    named = publishing.run(*words, "--public", both)

    assert (refused.returncode, "MA1863" in refused.stderr) == (4, True)
    assert named.returncode == 0


def test_killed_again_and_again_a_directory_is_never_wrong_and_ends_whole(
    release: Path, tree: Path, keys: Keys
) -> None:
    """kill -9 as soon as one more name is there than the last time, until a run gets through."""
    from tests.stores.reading import dangling

    kills = 0
    for _ in range(100):
        before = len(names(tree))
        process = subprocess.Popen(
            publishing.command("publish", release, "--to", tree, "--key", keys.uri),
            cwd=publishing.ROOT,
            stdout=subprocess.DEVNULL,
        )
        while process.poll() is None and len(names(tree)) < before + 4:
            pass
        process.kill()
        through = process.wait() == 0
        if through and kills > 3:
            break
        if through:  # on a busy machine this process sees the names too late
            shutil.rmtree(tree)
            tree.mkdir()
            continue
        kills += 1
        assert dangling({name: (tree / name).read_bytes() for name in names(tree)}) == []

    assert kills > 3
    assert dangling({name: (tree / name).read_bytes() for name in names(tree)}) == []
    assert publishing.run("publish", release, "--to", tree, "--key", keys.uri).returncode == 0
    assert len(names(tree)) == len(list(release.iterdir())) + 4
    assert list(tree.rglob(".*")) == []


def test_a_lock_that_somebody_keeps_is_waited_for_until_it_is_interrupted(
    release: Path, tree: Path, keys: Keys
) -> None:
    fd = os.open(tree, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    process = subprocess.Popen(
        publishing.command("publish", release, "--to", tree, "--key", keys.uri),
        cwd=publishing.ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has what it runs in the background ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    directory = Path(f"/proc/{process.pid}/fd")
    while process.poll() is None and str(tree) not in opened(directory):
        pass
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    given_up = publishing.run("publish", release, "--to", tree, "--key", keys.uri, "--budget", "0")
    os.close(fd)

    assert (process.returncode, "Traceback" in said, "interrupted" in said) == (130, False, True)
    assert (given_up.returncode, "another publisher holds its lock" in given_up.stderr) == (5, True)
    assert list(tree.iterdir()) == []


def opened(directory: Path) -> set[str]:
    """What a process has open at this moment."""
    found = set()
    for link in directory.iterdir():
        with contextlib.suppress(OSError):
            found.add(str(link.readlink()))
    return found


def names(tree: Path) -> list[str]:
    return [
        path.relative_to(tree).as_posix()
        for path in tree.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    ]


def test_two_builds_of_one_version_at_once_leave_one_of_them_whole(
    tmp_path: Path, release: Path, tree: Path, base: str, keys: Keys, fetched: Path
) -> None:
    other = releases.make(tmp_path / "other", content="other", key=keys.signer)
    running = [
        subprocess.Popen(
            publishing.command("publish", path, "--to", tree, "--key", keys.uri),
            cwd=publishing.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for path in (release, other)
    ]
    ended = [(process.communicate()[1], process.returncode) for process in running]

    assert sorted(code for _, code in ended) == [0, 4]
    assert "MA1852" in "".join(said for said, _ in ended)
    assert judging.follow(base, "latest.json", keys.public, fetched) == "v0.1.0"
