"""The templates that are built in: each in the language of all templates, to be copied and changed.

What holds for all of them: the configuration and the fetch script are readable by root alone, the agent runs only when
the fetch has succeeded, and a failure of either is a failure of what the machine reports: `cloud-init status`, or the
unit `machineadm-bootstrap.service`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Builtin(Struct, frozen=True, kw_only=True):
    """A template, and for what it is."""

    format: str
    """As infrastructure providers call it: `cloud-config` or `ignition`, for they know no other word. Empty: no user data."""

    text: str


DIRECTORY: Final = "/var/lib/machineadm/user-data"
"""Where a machine without cloud-init keeps its user data. Ignition writes from the initramfs: a file below /run would be
gone when the machine starts."""

# A promise: the docstring above and the pages name it, and `systemctl status` of it is how a first
# boot is watched.
UNIT: Final = "machineadm-bootstrap.service"

# Files are root's where nothing is said. write_files writes a file before it gives it its mode, and makes directories that anybody may enter. bootcmd comes before it.
# A list of runcmd is run as it is, without any shell of cloud-init's; there is one, since what runcmd makes of several
# goes on after a failure. After a success nothing is left that holds a secret.
_CLOUD_INIT: Final = """\
#cloud-config
bootcmd:
- [mkdir, -p, -m, '0700', /run/machineadm]
write_files:
- path: /run/machineadm/config.yaml
  permissions: '0600'
  encoding: gz+b64
  content: {{machine_config | gzip | base64}}
{{- if agent_fetch}}
- path: /run/machineadm/fetch.sh
  permissions: '0600'
  encoding: gz+b64
  content: {{agent_fetch | gzip | base64}}
{{- end}}
runcmd:
- - sh
  - -ec
  - |
{{- if agent_fetch}}
    sh /run/machineadm/fetch.sh
{{- end}}
    "$0" bootstrap --path /run/machineadm/config.yaml
    cd /run/machineadm
    rm -f config.yaml fetch.sh
  - {{agent_path | quote}}
"""

# After a success nothing is left that a later boot would start, either.
_START: Final = f"""\
set -e
[ ! -e {DIRECTORY}/fetch.sh ] || sh {DIRECTORY}/fetch.sh
"$(cat {DIRECTORY}/agent)" bootstrap --path {DIRECTORY}/config.yaml
rm -f {DIRECTORY}/config.yaml {DIRECTORY}/fetch.sh
"""

# Texts of their own because after_metadata() finds them in a template and puts one more unit behind
# each.
_WANTS: Final = "Wants=network-online.target"
# systemd.special(7): network-online.target is started by nobody who does not want it, so After
# alone waits for nothing.
_AFTER: Final = "After=network-online.target"
_METADATA: Final = "coreos-metadata.service"
"""Writes /run/metadata on Flatcar and, by its other name afterburn.service, on Fedora CoreOS; nothing starts it unasked."""

# Python may come with a system extension. What a reboot cut off the agent resumes by itself, and one waits for the other.
# ConditionPathExists keeps it from a second run, since start.sh removes the file after a success.
# RemainAfterExit leaves it active, so that `systemctl status` tells a success from a unit that
# never ran.
_UNIT: Final = f"""\
[Unit]
Description=machineadm: bootstrap of this machine
{_WANTS}
{_AFTER} systemd-sysext.service machineadm-resume.service
ConditionPathExists={DIRECTORY}/config.yaml

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {DIRECTORY}/start.sh
SyslogIdentifier=machineadm

[Install]
WantedBy=multi-user.target
"""

_IGNITION: Final = f"""\
{{{{- /* 448 is 0700, 384 is 0600: JSON has no octal numbers */ -}}}}
{{
  "ignition": {{"version": "@VERSION@"}},
  "storage": {{
    "directories": [
      {{@ROOT@"path": "/var/lib/machineadm", "mode": 448}},
      {{@ROOT@"path": "{DIRECTORY}", "mode": 448}}
    ],
    "files": [
      {{
        @ROOT@"path": "{DIRECTORY}/config.yaml", "mode": 384, "overwrite": true,
        "contents": {{"compression": "gzip", "source": "data:;base64,{{{{machine_config | gzip | base64}}}}"}}
      }},
{{{{- if agent_fetch}}}}
      {{
        @ROOT@"path": "{DIRECTORY}/fetch.sh", "mode": 384, "overwrite": true,
        "contents": {{"compression": "gzip", "source": "data:;base64,{{{{agent_fetch | gzip | base64}}}}"}}
      }},
{{{{- end}}}}
      {{
        @ROOT@"path": "{DIRECTORY}/agent", "mode": 384, "overwrite": true,
        "contents": {{"source": "data:;base64,{{{{agent_path | base64}}}}"}}
      }},
      {{
        @ROOT@"path": "{DIRECTORY}/start.sh", "mode": 384, "overwrite": true,
        "contents": {{"source": "data:;base64,{{{{`{_START}` | base64}}}}"}}
      }}
    ]
  }},
  "systemd": {{
    "units": [
      {{
        "name": "{UNIT}", "enabled": true,
        "contents": {{{{`{_UNIT}` | quote}}}}
      }}
    ]
  }}
}}
"""

# In braces, so that nothing is run of a script that was cut off.
_SYSTEMD: Final = f"""\
#!/bin/sh
# Bootstraps this machine by machineadm: lays out its configuration and starts {UNIT}.
{{
set -eu
umask 077
mkdir -p {DIRECTORY}

base64 -d <<'END' | gzip -dc > {DIRECTORY}/config.yaml
{{{{machine_config | gzip | base64}}}}
END
{{{{- if agent_fetch}}}}
base64 -d <<'END' | gzip -dc > {DIRECTORY}/fetch.sh
{{{{agent_fetch | gzip | base64}}}}
END
{{{{- end}}}}
base64 -d <<'END' > {DIRECTORY}/agent
{{{{agent_path | base64}}}}
END
cat <<'END' > {DIRECTORY}/start.sh
{_START}END

umask 022
cat <<'END' > /etc/systemd/system/{UNIT}
{_UNIT}END
systemctl enable {UNIT}
# While an image is made nothing runs that could be started; its first boot will.
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl start --no-block {UNIT}
fi
}}
"""


def after_metadata(builtin: Builtin) -> Builtin:
    """The template whose unit waits for the metadata agent: the configuration refers to what that writes."""
    # Wants and After both: coreos-metadata.service is not enabled by itself, and After alone would
    # not start it.
    text = builtin.text.replace(_WANTS, f"{_WANTS} {_METADATA}").replace(
        _AFTER, f"{_AFTER} {_METADATA}"
    )
    return Builtin(format=builtin.format, text=text)


def _ignition(version: str, root: str) -> Builtin:
    # By marks of its own and not by str.format: the text is full of braces that belong to JSON and
    # to templates.
    text = _IGNITION.replace("@VERSION@", version).replace("@ROOT@", root)
    return Builtin(format="ignition", text=text)


BUILTINS: Final[dict[str, Builtin]] = {
    "cloud-init": Builtin(format="cloud-config", text=_CLOUD_INIT),
    # Specification 2.x wants a filesystem at each file, directory and link; 3.x removed the key.
    # Flatcar reads both, and older images only the first.
    "ignition-2.3": _ignition("2.3.0", '"filesystem": "root", '),
    "ignition-3.4": _ignition("3.4.0", ""),
    "systemd": Builtin(format="cloud-config", text=_SYSTEMD),
    # No format: it is for whoever brings the configuration to a machine by other means, such as an
    # image or scp.
    "bare": Builtin(format="", text="{{machine_config}}"),
}
"""By name. `systemd` is a script for whatever runs user data that begins with `#!`, cloud-init included; `bare` is the
configuration alone."""
