"""Whose it is: what our kubeadm has made since we started it, as the kernel's own timestamps prove.

Before kubeadm starts, the record gets an inventory of everything that a reset would remove (`older`: the operator's;
`given`: this configuration writes it, and would write it again). While kubeadm runs, the record is renewed on the disk every two
seconds, so that a kill at any instant leaves the time up to which kubeadm can have written. A file is ours if it was not
there before and the kernel last changed it (st_ctime, which no program can set) within such a window.
Whatever a person or another tool has made, restored or replaced, earlier or later, is not.

Two things go on after kubeadm. A kubelet that it started gets its kubelet.conf by itself: that file is judged by those that
kubeadm wrote for it. etcd writes its data: that is judged by the time at which its directory was created.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from machineadm.config.machine_paths import MANIFESTS
from machineadm.host.ports import FileKind, Host
from machineadm.steps.kubeadm.record import Record, Window
from machineadm.steps.kubeadm.scene import BOOTSTRAP_CONF, FLAGS, KUBELET, KUBELET_CONF, Scene

# Temporary files that a killed run of ours left. They are no evidence: the next write into the directory removes them.
_OURS_BY_NAME = ".machineadm-"

EARLY = 1.0
"""Seconds by which the kernel's coarse clock may be behind ours."""
LATE = 6.0
"""Seconds after the last word of a run that was cut off in which its kubeadm may still have written: a little more than
the pause between two words."""
PULSE = 2.0
"""Seconds between two words."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is there, by whose it is."""

    ours: tuple[str, ...] = ()
    """Traces of kubeadm that ours made, and what it wrote below its certificates' directory: a kubeadm that is killed
    early leaves an authority and no trace yet."""

    foreign: tuple[str, ...] = ()
    """Traces of kubeadm that were made or changed since, or about which nothing is known."""

    spoils: tuple[str, ...] = ()
    """What else a reset would take that neither our kubeadm nor this configuration made."""


def inventory(scene: Scene, host: Host) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is there before kubeadm is started: `older` and `given` of the record.

    Files that commands of the configuration made are `given` as well, if the run keeps them and puts them back.
    """
    there = [path for path, _ in _found(scene, host)]
    there += (path for path in _files_in(host, KUBELET) if path not in there)
    # What the run writes again, or puts back, is nobody's loss: a reset over it needs no word of
    # a person.
    given = {path for path in there if path in scene.declared or host.kept(path)}
    return (
        tuple(path for path in there if path not in given),
        tuple(path for path in there if path in given),
    )


def gather_evidence(scene: Scene, host: Host, record: Record) -> Evidence:
    """Judge what is there now."""
    found = dict(_found(scene, host))
    for path in record.older:
        # Not a trace of kubeadm, but a reset would remove it, so as long as it is there it stands
        # against one.
        if path not in found and host.files.stat(path) is not None:
            found[path] = None
    return classify(scene, found, record)


def classify(scene: Scene, found: Mapping[str, float | None], record: Record) -> Evidence:
    """Decide whose the found paths are. Pure."""
    before = {*record.older, *record.given}
    new = [path for path in found if path not in before and path not in scene.declared]
    # By time alone: what kubeadm writes has no mark, and its content depends on the cluster.
    ours = {path for path in new if _within(found[path], record.windows)}
    if scene.role != "Initialize" and ours & {FLAGS, BOOTSTRAP_CONF} and KUBELET_CONF in new:
        # The kubelet writes it from what kubeadm wrote for it, and may do so minutes after kubeadm is gone, when no
        # window is open any more.
        ours.add(KUBELET_CONF)
    traces = {*scene.traces()}
    proved = {path for path in ours if path in traces or path.startswith(f"{scene.certificates}/")}
    foreign = tuple(path for path in new if path in traces and path not in ours)
    spoils = [path for path in found if path in record.older and path not in scene.declared]
    spoils += [path for path in new if path not in traces and path not in ours]
    return Evidence(
        ours=tuple(path for path in new if path in proved),
        foreign=foreign,
        spoils=tuple(spoils),
    )


def still_needed(scene: Scene, host: Host, record: Record) -> tuple[Window, ...]:
    """The windows of the record in which something was made that is still there. The others prove nothing."""
    moments = [moment for _, moment in _found(scene, host)]
    return tuple(
        window for window in record.windows if any(_within(moment, (window,)) for moment in moments)
    )


def _within(moment: float | None, windows: Iterable[Window]) -> bool:
    return moment is not None and any(
        window.start - EARLY <= moment <= window.end for window in windows
    )


def _found(scene: Scene, host: Host) -> Iterator[tuple[str, float | None]]:
    """What a reset would remove, as far as it can be listed file by file, and when each was last changed."""
    paths = dict.fromkeys(scene.traces())
    for directory in (MANIFESTS, scene.certificates):
        paths.update(dict.fromkeys(_files_below(host, directory)))
    for path in paths:
        status = host.files.stat(path)
        if status is not None:
            # st_ctime and not st_mtime: cp -p, tar and rsync set the latter to whatever they like.
            yield path, status.changed / 1e9
    if host.files.stat(scene.member) is not None:
        # Its ctime moves whenever etcd starts, so the time of its creation is used; None where the file system has none.
        born = host.files.born(scene.member)
        yield scene.member, None if born is None else born / 1e9


def _files_below(host: Host, directory: str) -> Iterator[str]:
    kind = host.files.stat(directory)
    if kind is None or kind.kind is FileKind.FILE:
        return
    for name in host.files.list(directory):
        path = f"{directory}/{name}"
        status = host.files.stat(path)
        if status is not None and status.kind is FileKind.DIRECTORY:
            yield from _files_below(host, path)
        elif not name.startswith(_OURS_BY_NAME):
            yield path


def _files_in(host: Host, directory: str) -> Iterator[str]:
    """The files of a directory itself."""
    for path in (f"{directory}/{name}" for name in host.files.list(directory)):
        status = host.files.stat(path)
        if status is not None and status.kind is FileKind.FILE:
            yield path
