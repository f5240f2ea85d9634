"""The pipeline and its wiring: the only package that picks a platform.

Here: bootstrap in a few lines, wiring of ports, sources and sinks. Not here: rules and effects.
May import: everything below; never cli.
"""
