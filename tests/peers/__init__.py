"""Real peers of our plugins, and the service that they all serve."""
