module machineadm.invalid/tests/judges/template

go 1.24
