"""Real programs of Kubernetes that judge what we write: Go modules that pin them, and how a test asks them."""
