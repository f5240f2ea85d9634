"""An operating system without Python, and with an extension that brings it: docs/flatcar.md, as far as Debian can be Flatcar."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from machineadm.rendering.builtin import BUILTINS
from tests.conformance.test_boot_ignition import AGENT, FAILURE, SUCCESS, UNIT, boot
from tests.judges import judges
from tests.machine.site import RECORD, TOKEN, Site
from tests.roots.roots import Root

EXAMPLE = Path(__file__).parents[2] / "examples/rendering/flatcar.yaml"
ENTRY = """\
      {
        "path": "/etc/flatcar/enabled-sysext.conf", "mode": 420, "overwrite": true,
        "contents": {"source": "data:,python%0A"}
      },
"""
EXTENSION = "/var/lib/extensions/python"
# /usr is another file system there, and the agent's place must not be on it.
WITHOUT_PYTHON = """\
dpkg-query -L $(dpkg-query -W -f '${Package}\\n' | grep python) | while read -r path; do
  [ -d "$path" ] || rm -f "$path"
done
rm -rf /usr/lib/python3*
! command -v python3
"""


def extension(directory: Path) -> Path:
    """A directory that systemd-sysext merges with /usr: Debian's Python as its packages have it, and kubeadm's recorder."""
    tree = directory / "python"
    root = Root("bookworm")
    listed = root.run(
        ["sh", "-c", "dpkg-query -L $(dpkg-query -W -f '${Package}\\n' | grep python)"], check=True
    )
    files = [path for path in listed.stdout.splitlines() if path.startswith("/usr/")]
    files = [path for path in files if not (root.directory / path[1:]).is_dir()]
    files = [path for path in files if (root.directory / path[1:]).exists()]
    for path in files:
        target = tree / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root.directory / path[1:], target, follow_symlinks=False)
    shutil.copy2(directory / "bin/kubeadm", tree / "usr/bin/kubeadm")
    release = tree / "usr/lib/extension-release.d/extension-release.python"
    release.parent.mkdir(parents=True)
    release.write_text("ID=debian\nVERSION_ID=12\n")
    return tree


def prepare(site: Site) -> dict[str, Path]:
    (site.directory / "prepare").write_text(WITHOUT_PYTHON)
    mounts = {"/ignition/prepare": site.directory / "prepare", **site.image()}
    del mounts["/usr/bin/kubeadm"]  # would be hidden below the merged /usr
    return mounts


@pytest.mark.requirement("R1")
def test_an_extension_brings_python_before_the_agent_starts(
    agent_file: Path, tmp_path: Path
) -> None:
    with Site(agent_file, tmp_path) as site:
        config = site.user_data("ignition")
        mounts = prepare(site)
        mounts[EXTENSION] = extension(tmp_path)
        with boot(site, config, mounts) as machine:
            log = machine.exec("journalctl", "-b", "--no-pager", check=False).stdout[-6000:]
            assert machine.exec("systemctl", "is-active", UNIT, check=False).stdout == "active\n", (
                log
            )
            assert machine.read(SUCCESS).strip() == "success"
            assert f'token: "{TOKEN}"' in machine.read(RECORD)
            assert machine.exec("sha256sum", AGENT).stdout.split()[0] == site.sha256
            # It was the extension's Python, over a /usr that has none and cannot be written to.
            assert machine.exec("touch", "/usr/x", check=False).returncode == 1
            machine.exec("systemd-sysext", "unmerge")
            assert machine.exec("test", "-e", "/usr/bin/python3", check=False).returncode == 1


def test_without_the_extension_it_says_what_is_missing(agent_file: Path, tmp_path: Path) -> None:
    with (
        Site(agent_file, tmp_path) as site,
        boot(site, site.user_data("ignition"), prepare(site)) as machine,
    ):
        assert machine.exec("systemctl", "is-failed", UNIT).stdout == "failed\n"
        assert json.loads(machine.read(FAILURE))["error"]["code"] == "MA1913"
        assert machine.exec("test", "-e", AGENT, check=False).returncode == 1


def test_the_example_for_flatcar_is_the_built_in_template_and_one_file(agent_file: Path) -> None:
    (template,) = (
        document["data"]["template"]
        for document in yaml.safe_load_all(EXAMPLE.read_text())
        if document["kind"] == "ConfigMap"
    )
    begin = template.index(ENTRY)

    assert template[:begin] + template[begin + len(ENTRY) :] == BUILTINS["ignition-3.4"].text

    run = subprocess.run(
        [sys.executable, "-IS", agent_file, "render", "--path", EXAMPLE],
        capture_output=True,
        check=True,
    )
    assert judges.ignition_validate(run.stdout) == []
    assert json.loads(run.stdout)["storage"]["files"][0] == json.loads(ENTRY.strip().rstrip(","))
