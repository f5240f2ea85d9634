"""One module per concern of a node; each step checks first and then applies.

Here: what a concern needs on a machine, through ports. Not here: order between concerns
(planner), opening files or running commands (host). Steps never import each other.
May import: plan, config, host.ports, host.facts and below.
"""
