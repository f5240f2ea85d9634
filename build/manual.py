"""The manual page of the command line, made of what the commands themselves say: `python build/manual.py > machineadm.8`."""

from __future__ import annotations

import datetime
import re
import sys

from checkout import ROOT, source_date_epoch

FILES = (
    ("/etc/machineadm/agent.yaml", "What the image demands of the agent, and brings as a base."),
    ("/etc/machineadm/plugins.yaml", "Plugins of the machine."),
    ("/etc/machineadm/passphrases/", "Passphrases of EncryptedData, by provider."),
    ("/run/machineadm/status.json", "The report of this boot."),
    ("/var/lib/machineadm/", "Journal, ledger, and the report that survives a reboot."),
    ("/run/cluster-api/bootstrap-success.complete", "Written when the bootstrap has succeeded."),
)
HEAD = '.TH MACHINEADM 8 "{date}" "machineadm {version}" "System Administration"'
NAME = "machineadm \\- turn a bare machine into a Kubernetes node from one typed configuration"


def main() -> None:
    """Print the page."""
    sys.path.insert(0, str(ROOT))
    sys.stdout.write(page())


def page() -> str:
    """The whole page, in the macros of man(7)."""
    from machineadm.cli.completion import commands
    from machineadm.version import VERSION

    # The commit's date: the builder's would make another package each day.
    time = datetime.datetime.fromtimestamp(int(source_date_epoch()), datetime.timezone.utc)
    lines = [HEAD.format(date=time.date().isoformat(), version=VERSION), ".SH NAME", NAME]
    lines += [".SH SYNOPSIS", ".B machineadm", ".I COMMAND", "[\\fIOPTION\\fR ...]"]
    lines += [
        ".SH DESCRIPTION",
        text(
            "One file that reads a MachineConfiguration, prepares the operating system, runs kubeadm, and reports the outcome. Every option can also be set by the environment variable MACHINEADM_<OPTION>, but for those that begin with --allow."
        ),
    ]
    lines.append(".SH COMMANDS")
    for command in commands():
        if command.below:
            continue
        lines += [
            f".SS {text(' '.join(command.words))}",
            text(f"{command.help[:1].upper()}{command.help[1:]}."),
        ]
        for option in command.options:
            takes = f" \\fI{text(option.takes)}\\fR" if option.takes else ""
            choices = f" (one of {', '.join(option.choices)})" if option.choices else ""
            # The variable is said once for all of them.
            said = re.sub(r" \[MACHINEADM_[A-Z_]+\]$", "", option.help)
            lines += [".TP", f".B {text(option.name)}{takes}", text(f"{said}{choices}")]
    lines.append(".SH EXIT STATUS")
    for code, meaning in exit_codes():
        lines += [".TP", f".B {code}", text(meaning)]
    lines.append(".SH FILES")
    for path, meaning in FILES:
        lines += [".TP", f".I {text(path)}", text(meaning)]
    return "\n".join(lines) + "\n"


def exit_codes() -> list[tuple[str, str]]:
    """Codes and meanings, of the table that a test compares with the errors."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return [
        (code, meaning.replace("`", ""))
        for code, meaning in re.findall(r"(?m)^\| (\d+) \| (.+) \|$", readme)
    ]


def text(words: str) -> str:
    """A text without anything that troff would take for a request or an escape."""
    plain = " ".join(words.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain[:1] in (".", "'") else plain


if __name__ == "__main__":
    main()
