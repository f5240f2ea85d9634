"""Bytes to documents and back: splitting, strict decoding with marks, encoding.

Here: what knows YAML, JSON, lines and columns. Not here: rules of our configuration (config),
files or the network (sources). Opens no file. May import: api, errors, redaction.
"""
