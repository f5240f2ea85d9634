"""The bootstrap controller: from a MachineBootstrap to the data Secret that Cluster API waits for."""
