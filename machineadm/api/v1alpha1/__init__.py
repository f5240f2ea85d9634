"""Version v1alpha1 of the types: machine, Kubernetes and report, one module per theme.

May import: errors, redaction, and each other.
"""
