"""What steps share to act: files, commands that follow, waits, and doing effects.

Values and rules of one concern are in `machineadm.steps`. May import `machineadm.plan` and the layers below it.
"""
