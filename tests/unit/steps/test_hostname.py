"""The host name: set now, and a file for later boots."""

from __future__ import annotations

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.plan.model import Change
from machineadm.steps.hostname import plan_hostname
from tests.applying import apply
from tests.fakes.host import FakeHost


@pytest.mark.parametrize(
    ("now", "change"), [("node-1", Change.ALREADY_IN_PLACE), ("localhost", Change.CHANGED)]
)
def test_the_running_name_is_set_where_it_is_another(now: str, change: Change) -> None:
    host = FakeHost()
    host.kernel.name = now
    _, set_it = plan_hostname(LinuxConfiguration(hostname="node-1"))

    assert apply(set_it, host).change is change
    assert host.kernel.name == "node-1"
