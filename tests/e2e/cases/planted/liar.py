"""Stands in for the agent: reports success, makes no node, and writes a file at each run."""

import time
from pathlib import Path

for path, text in (
    ("/run/machineadm/status.json", '{"phase": "Succeeded"}'),
    ("/run/cluster-api/bootstrap-success.complete", "success"),
    ("/etc/written", str(time.time())),
):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
