"""The types of the configuration and of the report, frozen per version.

Here: msgspec Structs, their constraints and their field docs. Not here: rules over several
fields (config), decoding (documents), anything that acts. May import: errors, redaction.
"""
