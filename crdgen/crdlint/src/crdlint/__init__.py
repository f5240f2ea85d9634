"""What the API server would say of a CustomResourceDefinition, found without one.

Here: strict reading, the rules of the envelope and of structural schemas, patterns, defaults, CEL (types and cost),
sizes, compatibility with released CRDs. Not here: how CRDs are made; what a running cluster holds.
May import: google-re2, cel-expr-python, PyYAML; nothing else of this repository.
"""

VERSION = "0.1.0"
