"""Images that are loaded before kubeadm starts."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: what is loaded already is not loaded again."

TABLE: dict[str, Code] = {
    "MA3591": Code(
        "an image that must be there is not",
        "An image has pullPolicy Never, and containerd does not have it. kubeadm was not started.",
        "Have the machine's image bring it, load it from an archive, or allow the pull.",
    ),
    "MA3592": Code(
        "kubeadm does not name its images",
        "kubernetesImages asks for the images that kubeadm needs, but `kubeadm config images list` names none: kubeadm "
        "is missing, or it does not "
        "know this version of Kubernetes.",
        "Install the kubeadm of that version, or name the images in `images`.",
    ),
    "MA3593": Code(
        "an image is not the one that was asked for",
        "An image was pulled, and containerd does not have it under its name with the digest of the reference.",
        "Compare the digest with the registry's. A mirror may have another image under that name.",
    ),
    "MA3594": Code(
        "there is no archive of images",
        "An archive that the configuration names by its path is not on the machine.",
        "Have the machine's image bring it, write it with `files`, or name a url and its digest.",
    ),
    "MA3595": Code(
        "an image cannot be loaded",
        "containerd's program failed to pull or import an image; the message has its last line. What passes by itself "
        "was tried again for five minutes.",
        "Names and certificates of registries are in containerRuntime.containerd.registries, proxies in systemProxies. "
        "A registry with a login needs crictl on the "
        f"machine, because ctr accepts a password only on its command line. {_RERUN}",
    ),
}
