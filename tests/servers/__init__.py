"""Servers of our own that a machine under test meets: files over TLS, a proxy, and everything that servers do wrong.

In a test they are context managers on a free port of loopback; for a machine of its own, `python -m tests.servers`
runs one on a given address until it is ended.
"""
