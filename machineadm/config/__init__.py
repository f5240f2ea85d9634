"""Typed documents to the two normalised roots: defaulting, validation, conversion.

Here: rules over fields and versions, all problems at once, each with its field path. Not here:
lines and columns (documents), facts of a machine (host). May import: api, errors, redaction, semver.
"""
