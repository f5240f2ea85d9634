"""Every file that kubeadm and its components read, for small and maximal configurations of each role and API version.

MACHINEADM_GOLDEN=write makes the expected files anew; read the difference before you commit it.
"""

import os
import shutil

import pytest

from tests.kubeadm_cases import CASES, Case, tree


@pytest.mark.requirement("R4", "U6")
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_what_kubeadm_reads_is_as_expected(case: Case) -> None:
    written = tree(case.read())
    if os.environ.get("MACHINEADM_GOLDEN") == "write":
        shutil.rmtree(case.output, ignore_errors=True)
        for path, content in written.items():
            target = case.output / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    expected = {
        f"/{file.relative_to(case.output)}": file.read_bytes()
        for file in case.output.rglob("*")
        if file.is_file()
    }

    assert written == expected
