"""For persons who look at a plugin: what it says of itself, a call with JSON, all checks of its kind.

No run of the agent needs it. May import: kinds, host, proto, errors.
"""
