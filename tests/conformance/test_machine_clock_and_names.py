"""Name servers and time servers on real machines: systemd-resolved, systemd-timesyncd and chrony say themselves what they use."""

from __future__ import annotations

from pathlib import Path

from tests.machine.machine import Machine

CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration:
"""
RESOLVER = """\
      resolver: {nameservers: [192.0.2.53, "2001:db8:0::53"], searchDomains: [corp.example.com]}
"""
NTP = """\
      ntp: {servers: [192.0.2.123, 192.0.2.124]}
"""
BEGIN = """\
set -e
agent="python3 /root/agent.pyz"
options="--mode preparation --path /root/a.yaml"
"""
RUN = "$agent bootstrap $options >/dev/null\n"
PLAN = "$agent plan $options | head -1\n"


def told(machine: Machine, agent_file: Path, configuration: str, script: str) -> str:
    """What a script says that ends well on a machine with this configuration."""
    machine.put(agent_file, "/root/agent.pyz")
    machine.write("/root/a.yaml", CONFIGURATION + configuration)
    done = machine.exec("sh", "-c", BEGIN + script, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_systemd_resolved_and_timesyncd_use_what_the_configuration_says(agent_file: Path) -> None:
    # In a container systemd would not start timesyncd; the machine is to be like one that is none.
    script = f"""
ln -sfn /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
mkdir -p /etc/systemd/system/systemd-timesyncd.service.d
printf '[Unit]\\nConditionVirtualization=\\n' > /etc/systemd/system/systemd-timesyncd.service.d/stage.conf
systemctl daemon-reload
systemctl enable --now systemd-resolved
{RUN}
resolvectl dns
resolvectl domain
cat /run/systemd/resolve/resolv.conf
readlink /etc/resolv.conf
systemctl is-active systemd-timesyncd
timedatectl show-timesync --property=SystemNTPServers
{PLAN}"""
    with Machine("names", flavour="bookworm-services", may_fail=True) as machine:
        said = told(machine, agent_file, RESOLVER + NTP, script)

    assert "Global: 192.0.2.53 2001:db8::53\n" in said
    assert "corp.example.com ~.\n" in said
    assert "nameserver 2001:db8::53\n" in said
    assert "/run/systemd/resolve/stub-resolv.conf\n" in said
    assert "\nactive\n" in said
    assert "SystemNTPServers=192.0.2.123 192.0.2.124\n" in said
    assert " 0 to do, " in said.splitlines()[-1]


def test_chrony_uses_what_the_configuration_says(agent_file: Path) -> None:
    # -x: it must not set the clock, which is that of whoever runs the test.
    script = f"""
echo 'DAEMON_OPTS="-F 1 -x"' > /etc/default/chrony
systemctl restart chrony
{RUN}
chronyc -n sources
systemctl is-active chrony
{PLAN}"""
    with Machine("clock", flavour="bookworm-chrony", may_fail=True) as machine:
        said = told(machine, agent_file, NTP, script)

    assert "192.0.2.123" in said
    assert "192.0.2.124" in said
    assert "\nactive\n" in said
    assert " 0 to do, " in said.splitlines()[-1]


def test_a_machine_without_systemd_resolved_keeps_the_other_lines_of_its_file(
    agent_file: Path,
) -> None:
    script = f"""
printf 'options edns0\\nnameserver 192.0.2.1\\n' > /etc/resolv.conf
{RUN}
cat /etc/resolv.conf
{PLAN}"""
    with Machine("names", flavour="bookworm-chrony", may_fail=True) as machine:
        said = told(machine, agent_file, RESOLVER, script)

    assert said.startswith(
        "nameserver 192.0.2.53\nnameserver 2001:db8:0::53\nsearch corp.example.com\noptions edns0\n"
    )
    assert " 0 to do, " in said.splitlines()[-1]
