"""Kubernetes' own word on the types that ours speak of; `make upstream` renews it."""
