"""Which release this is.

build/package.py writes the commit's short hash over "unknown" in the copy that it packs.
"""

VERSION = "0.1.0"
BUILD_ID = "unknown"
