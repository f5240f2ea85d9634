"""`python -m machineadm`: the command line from a checkout."""

from machineadm.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
