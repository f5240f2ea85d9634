"""Where configurations are kept until their machines have fetched them: the manager's half, and a store of our own."""
