"""What happened, for people and programs: status, conditions, sinks.

Here: results to report, sentinels, JSON lines. Not here: deciding what happens (execution).
May import: execution, plan, host.ports and below.
"""
