"""The release side: private keys, signing a release, verifying one, publishing it.

Here: `python -m signing keygen|sign|verify`, what touches private keys, files and stores. Not here:
rules of trust, which the agent shares (machineadm.verification). On no machine and in no wheel. May
import: machineadm.verification, errors and redaction, nothing else of machineadm.
"""
