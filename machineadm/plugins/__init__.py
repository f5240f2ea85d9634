"""Plugins: processes that speak HashiCorp's go-plugin protocol, host and author's side.

Here: wire/ (the protocol, nothing of ours), proto/ (generated), launch/ (start, connect, end), kinds/ (typed clients), sdk/ (for
authors; in the wheel alone), discovery, trust. gRPC is used nowhere else. Nothing of it is imported unless a configuration
names a plugin. May import: documents, api, errors, redaction.
"""
