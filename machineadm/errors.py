"""The root error and its leaves, named by what an operator can fix."""
