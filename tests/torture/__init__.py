"""Killed, or failed, at any system call of the agent's that changes something; then run again."""
