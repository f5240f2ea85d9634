"""What must be done: steps in their order, and what each says before and after.

Here live the words that planner, steps, runner and reports share. No step itself lives here, and nothing that acts.
May import `machineadm.host.ports`, the API and the layers below.
"""
