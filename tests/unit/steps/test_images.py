"""Images: loaded once, several at a time, while other steps go on, and never another one than was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from machineadm.api.v1alpha1.containerd import Containerd, ContainerRuntime
from machineadm.api.v1alpha1.images import Image, ImageArchive
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.errors import MachineadmError, StepError
from machineadm.plan.model import Phase, Plan
from machineadm.steps.images import plan_images
from tests.applying import carry_out
from tests.fakes.host import FakeHost, offline_host
from tests.fakes.images import DIGEST, FakeImages
from tests.unit.execution.toys import ToyStep

NAME = "registry.example.com/app:1"
OTHER = "sha256:" + "e" * 64
TAR = b"an archive"
SUM = hashlib.sha256(TAR).hexdigest()
URL = "https://example.com/images.tar"
KUBERNETES = KubernetesConfig(version="v1.34.4")
LISTED = "registry.k8s.io/kube-proxy:v1.34.4\nregistry.k8s.io/pause:3.10.1\n"


def store(
    remote: dict[str, str] | None = None, *, crictl: bool = False
) -> tuple[FakeHost, FakeImages]:
    host = FakeHost()
    images = FakeImages(host, crictl=crictl)
    images.remote = {NAME: DIGEST, **(remote or {})}
    return host, images


def run(host: FakeHost, *images: Image, beside: tuple[ToyStep, ...] = (), **machine: Any) -> bool:
    config = MachineConfig(images=images, **machine)
    return carry_out(Plan(steps=(*plan_images(config, KUBERNETES), *beside)), host).complete


def loads(host: FakeHost) -> list[str]:
    argvs = host.commands.argvs(quiet=True)
    return [argv[-1] for argv in argvs if {"pull", "import"} & set(argv)]


def error_of(action: Callable[[], object]) -> MachineadmError:
    with pytest.raises(MachineadmError) as caught:
        action()
    return caught.value


def test_an_image_is_pulled_once_and_kept_from_the_garbage_collection() -> None:
    host, images = store()

    assert run(host, Image(reference=NAME))
    assert run(host, Image(reference=NAME))

    assert loads(host) == [NAME]
    assert images.labels == {NAME: "io.cri-containerd.pinned=pinned"}


def test_containerd_s_own_interface_is_asked_where_there_is_a_client_for_it() -> None:
    host, _ = store(crictl=True)

    run(host, Image(reference=NAME), Image(reference=NAME, namespace="other"))

    programs = sorted(argv[0] for argv in host.commands.argvs(quiet=True) if "pull" in argv)
    assert programs == ["crictl", "ctr"]


@pytest.mark.parametrize("form", [f"registry.example.com/app@{DIGEST}", f"registry.example.com/app:1@{DIGEST}"])  # fmt: skip
@pytest.mark.parametrize("digest", [DIGEST, OTHER])
def test_a_digest_is_compared_after_the_pull(form: str, digest: str) -> None:
    host, _ = store({form: digest})

    if digest == OTHER:
        assert error_of(lambda: run(host, Image(reference=form))).code == "MA3593"
        return
    assert run(host, Image(reference=form))
    assert run(host, Image(reference=form))
    assert loads(host) == [form]


@pytest.mark.parametrize("kind", ["path", "url"])
def test_an_archive_is_imported_once_and_again_where_its_image_is_gone(kind: str) -> None:
    host, images = store()
    host.put("/opt/a.tar", TAR)
    host.fetch.bodies[URL] = TAR
    images.archives = {"/opt/a.tar": [NAME], "/var/lib/machineadm/downloads/": [NAME]}
    archive = ImageArchive(path="/opt/a.tar") if kind == "path" else ImageArchive(url=URL, sha256=SUM)  # fmt: skip
    image = Image(archive=archive)

    assert run(host, image)
    assert run(host, image)
    assert len(loads(host)) == 1
    assert not [
        path for path in host.files.nodes if path.startswith("/var/lib/machineadm/downloads/")
    ]
    assert images.labels == {NAME: "io.cri-containerd.pinned=pinned"}

    images.stored.clear()
    assert run(host, image)
    assert len(loads(host)) == 2


@pytest.mark.parametrize("kind", ["path", "url"])
def test_an_archive_with_another_digest_is_not_imported_and_leaves_nothing(kind: str) -> None:
    host, _ = store()
    host.put("/opt/a.tar", b"another")
    host.fetch.bodies[URL] = b"another"
    archive = ImageArchive(path="/opt/a.tar", sha256=SUM) if kind == "path" else ImageArchive(url=URL, sha256=SUM)  # fmt: skip

    error = error_of(lambda: run(host, Image(archive=archive)))

    assert error.code == "MA2001"
    assert loads(host) == []
    files = [path for path in host.files.nodes if path.startswith("/var/lib/machineadm/downloads/")]
    assert not [path for path in files if host.files.nodes[path].content]


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (Image(archive=ImageArchive(path="/opt/none.tar")), "MA3594"),
        (Image(reference="registry.example.com/none:1"), "MA3595"),
        (Image(reference=NAME, pull_policy="Never"), "MA3591"),
    ],
)
def test_what_cannot_be_had_is_told(image: Image, code: str) -> None:
    host, _ = store()

    assert error_of(lambda: run(host, image)).code == code


def test_a_registry_that_is_not_there_for_a_moment_is_asked_again_and_one_that_refuses_is_not() -> (
    None
):
    host, images = store()
    images.faults = {NAME: ["dial tcp: i/o timeout", "unexpected status: 503 Service Unavailable"]}

    assert run(host, Image(reference=NAME))
    assert len(loads(host)) == 3

    images.faults = {"a.example.com/b:1": ["403 Forbidden", "403 Forbidden"]}
    assert error_of(lambda: run(host, Image(reference="a.example.com/b:1"))).code == "MA3595"
    assert len(loads(host)) == 4


X509 = "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time "


def test_a_certificate_of_a_registry_that_is_not_valid_yet_is_waited_for_and_blamed_on_the_clock() -> (
    None
):
    host, images = store()
    early = f"{X509}1970-01-01T00:01:00Z is before 2026-11-30T10:00:00Z"
    images.faults = {NAME: [early, early]}

    assert run(host, Image(reference=NAME))
    assert len(loads(host)) == 3

    images.faults = {"a.example.com/b:1": [early] * 1000}
    error = error_of(lambda: run(host, Image(reference="a.example.com/b:1")))
    assert error.code == "MA4032"
    assert "is before 2026-11-30T10:00:00Z; this machine's clock says " in error.message


def test_a_certificate_of_a_registry_that_has_expired_is_not_waited_for() -> None:
    host, images = store()
    images.faults = {NAME: [f"{X509}2046-01-01T00:00:00Z is after 2036-11-28T10:00:00Z"] * 9}

    assert error_of(lambda: run(host, Image(reference=NAME))).code == "MA4033"
    assert len(loads(host)) == 1


def test_others_are_loaded_though_one_fails_and_the_next_run_loads_only_that() -> None:
    names = [f"registry.example.com/app:{number}" for number in range(1, 9)]
    host, images = store(dict.fromkeys(names, DIGEST))
    images.remote.pop(names[3])

    error = error_of(lambda: run(host, *(Image(reference=name) for name in names)))
    assert names[3] in error.message
    assert {name for _, name in images.stored} == set(names) - {names[3]}

    images.remote[names[3]] = DIGEST
    run(host, *(Image(reference=name) for name in names))
    assert len(loads(host)) == len(names) + 1


def test_four_are_loaded_at_once() -> None:
    names = [f"registry.example.com/app:{number}" for number in range(12)]
    host, images = store(dict.fromkeys(names, DIGEST))

    run(host, *(Image(reference=name) for name in names))

    assert images.at_once == 4


def test_always_pulls_again_and_a_digest_needs_no_second_pull() -> None:
    pinned = f"registry.example.com/app@{DIGEST}"
    host, _ = store({pinned: DIGEST})
    images = [Image(reference=one, pull_policy="Always") for one in (NAME, pinned)]

    run(host, *images)
    run(host, *images)

    assert sorted(loads(host)) == sorted([NAME, NAME, pinned])


def test_images_are_loaded_beside_other_steps_and_are_there_before_kubeadm() -> None:
    host, images = store()
    seen: list[tuple[str, bool]] = []

    def look(name: str) -> Callable[[], None]:
        return lambda: seen.append((name, bool(images.stored)))

    beside = ToyStep("control_plane_files/write", set(), before_apply=look("beside"))
    kubeadm = ToyStep("kubeadm/config", set(), phase=Phase.KUBEADM, before_apply=look("kubeadm"))
    run(host, Image(reference=NAME), beside=(beside, kubeadm))

    assert seen[-1] == ("kubeadm", True)
    assert [name for name, _ in seen] == ["beside", "kubeadm"]


def test_images_that_kubeadm_wants_are_loaded_too_each_once() -> None:
    host, images = store(dict.fromkeys(LISTED.split(), DIGEST))
    host.commands.on("kubeadm", "config", "images", "list", output=f"W1130 warning: x\n{LISTED}")

    pause = Image(reference="registry.k8s.io/pause:3.10.1")
    assert run(host, pause, kubernetes_images=True)
    assert run(host, pause, kubernetes_images=True)

    assert sorted(loads(host)) == sorted(LISTED.split())
    assert len(images.stored) == 2


def test_a_kubeadm_that_names_no_images_is_told_of() -> None:
    host, _ = store()
    host.commands.missing.add("kubeadm")

    with pytest.raises(StepError) as caught:
        run(host, kubernetes_images=True)

    assert caught.value.code == "MA3592"


def test_the_snapshotter_of_containerd_gets_them() -> None:
    host, _ = store()

    run(host, Image(reference=NAME), container_runtime=ContainerRuntime(containerd=Containerd(snapshotter="native"), socket="unix:///run/x.sock"))  # fmt: skip

    (argv,) = [one for one in host.commands.argvs(quiet=True) if "pull" in one]
    assert argv[:3] == ("ctr", "--address", "/run/x.sock")
    assert argv[argv.index("--snapshotter") + 1] == "native"


def test_below_another_root_there_is_no_containerd_to_load_them() -> None:
    host = offline_host()

    assert not run(host, Image(reference=NAME))


def test_an_archive_that_was_imported_is_judged_again_by_a_digest_that_is_given_since() -> None:
    host, images = store()
    host.put("/opt/a.tar", TAR)
    images.archives = {"/opt/a.tar": [NAME]}
    run(host, Image(archive=ImageArchive(path="/opt/a.tar")))

    wrong = ImageArchive(path="/opt/a.tar", sha256="f" * 64)
    assert error_of(lambda: run(host, Image(archive=wrong))).code == "MA2001"
