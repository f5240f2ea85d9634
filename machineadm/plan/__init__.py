"""Step, Phase, Plan and Change, and how a plan is shown.

Here: the vocabulary between planner, steps and runner, and values that one step gives another.
Not here: a concern of the node (steps), effects (host). May import: host.ports and below.
"""
