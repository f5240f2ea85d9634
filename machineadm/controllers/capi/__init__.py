"""Cluster API's contract: its objects as far as they matter, its names, its lock, its certificates, its tokens."""
