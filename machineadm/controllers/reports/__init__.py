"""What machines report: taken in as hostile input, and shown in the status of their MachineBootstraps."""
