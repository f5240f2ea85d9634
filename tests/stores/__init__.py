"""Stores to publish to, started for a test and ended by it, and signed releases to put there."""
