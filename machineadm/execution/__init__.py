"""Carrying out a plan: runner, journal, lock, events.

Here: order, resume, deadline, group commit. Not here: what a step does (steps), what is reported
(reporting). May import: steps, plan, host.ports and below; never a platform's adapter.
"""
