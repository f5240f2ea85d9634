"""Plugins that ship with a release: each module is one, packed by `make plugins`. They import the SDK alone."""
