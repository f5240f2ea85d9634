"""The types of the infrastructure group: stores for realised configurations, frozen per version.

Not for the agent, which never sees these kinds. May import: api.meta, api.v1alpha1, errors, redaction.
"""
