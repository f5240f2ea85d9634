"""Compliance profiles."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1450": Code(
        "the configuration contradicts a compliance profile",
        "A field says something else than a control of a profile in `complianceProfiles` asks for, or two profiles ask for "
        "different things. A profile never overrides what the configuration sets. Nothing was changed.",
        "Change or remove the field that the message names, or add the control to the profile's `exceptions` with the reason: "
        "`1.2.15=profiled on purpose until March`.",
    ),
    "MA1451": Code(
        "an exception to a compliance profile that says too little",
        "An entry of `exceptions` names no control of the catalogue, or gives no reason.",
        "Write `CONTROL=REASON`: `1.1.12=etcd runs as root`. `machineadm check compliance` lists the controls.",
    ),
}
