"""A CustomResourceDefinition with one of everything, to plant faults in."""

from typing import Any

import yaml

BASE = yaml.safe_load("""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boxes.example.com, labels: {a: b}, annotations: {example.com/x: z}}
spec:
  group: example.com
  names: {plural: boxes, singular: box, kind: Box, listKind: BoxList, shortNames: [bx], categories: [all]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.count, statusReplicasPath: .status.count}}
    additionalPrinterColumns: [{name: Count, type: integer, jsonPath: .spec.count}]
    selectableFields: [{jsonPath: .spec.name}]
    schema:
      openAPIV3Schema:
        type: object
        description: A box.
        required: [spec]
        properties:
          apiVersion: {type: string}
          kind: {type: string}
          metadata: {type: object}
          spec:
            type: object
            required: [name]
            properties:
              name: {type: string, maxLength: 20, pattern: '^[a-z]+$', description: Its name.}
              count: {type: integer, format: int32, minimum: 0, maximum: 100, default: 3}
              limit: {type: number, exclusiveMinimum: true, minimum: 0}
              ready: {type: boolean, default: true}
              tags: {type: array, maxItems: 10, items: {type: string, maxLength: 10}, x-kubernetes-list-type: set}
              labels: {type: object, maxProperties: 10, additionalProperties: {type: string, maxLength: 10}}
              port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}], maxLength: 9}
              any: {type: object, x-kubernetes-preserve-unknown-fields: true}
              raw: {x-kubernetes-preserve-unknown-fields: true}
              pod: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
              time: {type: string, format: date-time}
              wait: {type: string, format: duration, default: 1h}
              data: {type: string, format: byte}
              maybe: {type: string, nullable: true}
              matrix: {type: array, maxItems: 3, items: {type: array, maxItems: 3, items: {type: string, maxLength: 3}}}
              by: {type: object, maxProperties: 3, additionalProperties: {type: array, maxItems: 3, items: {type: string, maxLength: 3}}}
              a-b: {type: string, enum: [one, two]}
              namespace: {type: string, maxLength: 63}
              sub:
                type: object
                default: {}
                x-kubernetes-map-type: atomic
                properties:
                  count: {type: integer, default: 1}
                  limit: {type: integer}
                x-kubernetes-validations:
                - {rule: '!has(self.limit) || self.count <= self.limit', message: too many, fieldPath: .count, reason: FieldValueForbidden}
              items:
                type: array
                maxItems: 8
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string, maxLength: 20}
                    tags: {type: array, maxItems: 4, items: {type: string, maxLength: 10}}
                    size: {type: integer}
                  x-kubernetes-validations:
                  - {rule: self.name == oldSelf.name, message: fixed}
            oneOf: [{required: [tags]}, {required: [labels]}]
            x-kubernetes-validations:
            - {rule: 'self.items.all(x, x.name != self.name)', message: another name, messageExpression: "'not ' + self.name"}
          status:
            type: object
            properties:
              count: {type: integer}
              phase: {type: string}
""")


def base() -> Any:
    """A copy of it."""
    import copy

    return copy.deepcopy(BASE)
