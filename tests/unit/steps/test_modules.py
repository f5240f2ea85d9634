"""Kernel modules: loaded in order, and a file for later boots."""

from __future__ import annotations

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.errors import HostError
from machineadm.plan.model import Change
from machineadm.steps.modules import plan_modules
from tests.applying import apply
from tests.fakes.host import FakeHost

LINUX = LinuxConfiguration(kernel_modules=("overlay", "br_netfilter"))


def test_a_module_that_does_not_load_fails_the_step() -> None:
    host = FakeHost()
    host.kernel.available = {"overlay"}
    _, load = plan_modules(LINUX)

    with pytest.raises(HostError, match="br_netfilter"):
        apply(load, host)


def test_only_what_is_not_loaded_yet_is_loaded() -> None:
    host = FakeHost()
    host.kernel.modules = {"overlay"}
    _, load = plan_modules(LINUX)

    assert apply(load, host).change is Change.CHANGED
    assert apply(load, host).change is Change.ALREADY_IN_PLACE
    assert host.kernel.modules == {"overlay", "br_netfilter"}
