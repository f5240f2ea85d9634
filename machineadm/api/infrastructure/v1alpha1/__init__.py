"""Version v1alpha1 of the stores, one module per kind of store.

May import: api.meta, api.v1alpha1, errors, redaction, and each other.
"""
