"""`python -m machineadm`: the command line from a checkout."""

from machineadm.cli.main import run

if __name__ == "__main__":
    run()
