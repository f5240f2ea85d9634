"""What is applied together with the definitions: kustomization, role, and the patch of Cluster API's Machine."""

from __future__ import annotations

from collections.abc import Sequence

from crdgen.generate.definitions import file_name
from crdgen.generate.docstrings import Docs
from crdgen.generate.model import Schema
from crdgen.generate.structural import Rules, Structural
from machineadm.api.resources import INFRASTRUCTURE_GROUP, Resource
from machineadm.api.v1alpha1.machine_bootstrap import InfrastructureReference

ROLE_FILE = "role.yaml"
PATCH_FILE = "machine-infrastructureref.yaml"
MACHINE_VERSIONS = ("v1alpha3", "v1alpha4", "v1beta1", "v1beta2")
"""Versions of Cluster API's Machine in the order of its definition, as releases 1.11 and 1.12 have them."""
# The version that is stored: in an older one Cluster API's conversion would drop the field.
PATCHED_VERSIONS = ("v1beta2",)

_REFERENCE = (
    "Store that keeps the machine's realised configuration: an object of an infrastructure provider in the same "
    "namespace. Read by machineadm; without effect on other bootstrap providers."
)


def kustomization(resources: Sequence[Resource]) -> Schema:
    """Lists all that is applied."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted([*map(file_name, resources), ROLE_FILE]),
    }


def role(resources: Sequence[Resource]) -> Schema:
    """Lets Cluster API's manager work with the infrastructure group, which its own role does not name."""
    # The bootstrap group needs no such role: Cluster API's own names it.
    own = [resource for resource in resources if resource.group == INFRASTRUCTURE_GROUP]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": "machineadm-aggregate-to-manager",
            "labels": {
                # The label by which Cluster API's aggregated role finds it.
                "cluster.x-k8s.io/aggregate-to-manager": "true",
                "cluster.x-k8s.io/provider": own[0].labels["cluster.x-k8s.io/provider"],
            },
        },
        "rules": [
            {
                "apiGroups": [INFRASTRUCTURE_GROUP],
                "resources": sorted(resource.plural for resource in own),
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            }
        ],
    }


def patch_of_machine(docs: Docs, rules: Rules) -> list[Schema]:
    """Operations of JSON Patch (RFC 6902) on machines.cluster.x-k8s.io.

    Versions are in a list: each one's name is asserted first, so that a release with other versions is refused and
    nothing else is hit.
    """
    value = Structural(docs, rules).part(InfrastructureReference)
    # The type's own text speaks of a MachineBootstrap.
    value["description"] = _REFERENCE
    operations: list[Schema] = [
        {"op": "test", "path": f"/spec/versions/{index}/name", "value": name}
        for index, name in enumerate(MACHINE_VERSIONS)
    ]
    for name in PATCHED_VERSIONS:
        bootstrap = (
            f"/spec/versions/{MACHINE_VERSIONS.index(name)}/schema/openAPIV3Schema"
            "/properties/spec/properties/bootstrap"
        )
        operations += [
            # Also asserted, since `add` to a place that is not there fails with words that help
            # nobody.
            {"op": "test", "path": f"{bootstrap}/type", "value": "object"},
            {"op": "add", "path": f"{bootstrap}/properties/infrastructureRef", "value": value},
        ]
    return operations


def kustomization_of_patch() -> Schema:
    """How kustomize applies the patch; its user adds Cluster API's components as resources."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [
            {
                "path": PATCH_FILE,
                "target": {
                    "group": "apiextensions.k8s.io",
                    "kind": "CustomResourceDefinition",
                    "name": "machines.cluster.x-k8s.io",
                },
            }
        ],
    }
