"""Bounds of numbers, harmless and not: what is said, and what the API server makes of it."""

BOUNDS: dict[str, bool] = {
    "type: integer, maximum: 9223372036854775807": True,
    "type: integer, maximum: 9223372036854775296": True,  # nearer to 2^63 than to the float64 before it
    "type: integer, maximum: 9223372036854774784": False,  # the largest float64 below 2^63
    "type: integer, maximum: 1e19": True,
    "type: integer, maximum: -1e19": True,
    "type: integer, exclusiveMaximum: true, maximum: 9223372036854775807": True,
    "type: integer, minimum: 9223372036854775807": True,
    "type: integer, minimum: 1e19": True,
    "type: integer, minimum: -9223372036854775808": False,
    "type: integer, minimum: -1e19": False,
    "type: integer, exclusiveMinimum: true, minimum: -9223372036854775808": False,
    "type: integer, maximum: 2147483647": False,
    "type: integer, minimum: 0.5": True,
    "type: integer, minimum: -0.5": False,
    "type: integer, maximum: 1.5": False,
    "type: integer, maximum: -0.5": True,
    "type: integer, exclusiveMaximum: true, maximum: 1.5": True,
    "type: integer, exclusiveMaximum: true, maximum: -0.5": False,
    "type: integer, exclusiveMinimum: true, minimum: 0.5": False,
    "type: integer, exclusiveMinimum: true, minimum: -0.5": True,
    "type: integer, multipleOf: 2": False,
    "type: integer, multipleOf: 0.5": True,
    "type: integer, multipleOf: 1.5": True,
    "type: integer, multipleOf: 1e19": True,
    "type: number, minimum: 0.5": True,
    "type: number, maximum: 1.5": False,
    "type: number, multipleOf: 0.5": True,
    "x-kubernetes-int-or-string: true, maximum: 9223372036854775807": True,
    "type: integer, allOf: [{maximum: 9223372036854775807}]": True,
    "type: integer, not: {maximum: 9223372036854775807}": True,
    "type: integer, allOf: [{maximum: 3}]": False,
    "type: integer, anyOf: [{maximum: 3}]": False,
    "type: integer, oneOf: [{maximum: 3}]": False,
    "type: string, maximum: 9223372036854775807": False,
}
"""By schema: whether other integers pass than it says."""

VALUES = (0, 1, -1, 2, 3, 5, 2**53, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1)

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: boxes.example.com}}
spec:
  group: example.com
  names: {{plural: boxes, kind: Box, singular: box, listKind: BoxList}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          size: {{{schema}}}
"""
