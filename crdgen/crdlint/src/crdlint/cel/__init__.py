"""CEL rules of schemas: what they mean, of what types they are, and what they may cost.

Here: the syntax tree (parsed by cel-expr-python), the types that schemas give, the type checker with all functions that
Kubernetes declares, the cost estimate, evaluation of rules on defaults. Not here: where in a schema a rule may be.
May import: crdlint.schema and its siblings, cel-expr-python.
"""
