"""Rules for the tests of crdlint, which needs Python 3.11; the rest of the repository does not."""

import sys

from hypothesis import settings

collect_ignore_glob = ["test_*.py"] if sys.version_info < (3, 11) else []

# The same examples every time: a verdict depends on the code alone, and never on a busy machine.
settings.register_profile("crdlint", deadline=None, derandomize=True)
settings.load_profile("crdlint")
