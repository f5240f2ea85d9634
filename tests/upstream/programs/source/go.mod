module machineadm.invalid/tests/upstream/source

go 1.24.0
