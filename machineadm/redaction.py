"""Secret: a value that never prints."""
