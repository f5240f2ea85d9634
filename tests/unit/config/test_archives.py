"""Archives: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from typing import Any

from tests.rulecases import Case, judging

X = "machine.linuxConfiguration.archives"
S = f"spec.{X}"
SUM = "a" * 64
FILE = {"url": "file:///srv/a.tar", "sha256": SUM}
WEB = {"url": "https://example.com/a.tar", "sha256": SUM}


def archive(*members: dict[str, Any], **source: Any) -> dict[str, Any]:
    return {
        X: [
            {
                "source": source or FILE,
                "destination": "/opt",
                "members": members or [{"name": "bin/a"}],
            }
        ]
    }


GOOD = archive()
HANDLER = {"handler": {"name": "h"}}
CASES = [
    Case("a scheme that is known", archive(url="ftp://x/a", sha256=SUM), [("MA1323", f"{S}[0].source.url")], archive(**WEB)),
    Case("who vouches is for a download", archive(**FILE, authFrom=HANDLER), [("MA1301", f"{S}[0].source.authFrom")],
         archive(**WEB, authFrom=HANDLER)),
    Case("each place once", archive({"name": "a"}, {"name": "b", "path": "a"}), [("MA1306", f"{S}[0].members[1]")],
         archive({"name": "a"}, {"name": "b"})),
    Case("each place once among archives", {X: [*GOOD[X], {**GOOD[X][0], "destination": "/opt"}]},
         [("MA1306", f"{S}[1].members[0]")], {X: [*GOOD[X], {**GOOD[X][0], "destination": "/srv"}]}),
    Case("one writer", {**GOOD, "machine.files": [{"path": "/opt/bin/a", "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], {**GOOD, "machine.files": [{"path": "/opt/bin/b", "content": ""}]}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
