"""The command line: main and one module per subcommand; heavy imports inside functions.

Here: arguments, printing, exit codes; the only place that turns errors into exits. Not here:
anything another program could want (agent). May import: agent and below.
"""
