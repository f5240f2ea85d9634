"""CustomResourceDefinitions to judge: planted faults of every class, small mutations of any other."""
