"""Which type a document of a configuration is, by its `apiVersion` and `kind`."""

from typing import Final

from machineadm.api.meta import ApiStruct
from machineadm.api.v1alpha1.encrypted_data import EncryptedData
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.api.v1alpha1.reference import ConfigurationReference

GROUP: Final = "bootstrap.cluster.x-k8s.io"
V1ALPHA1: Final = f"{GROUP}/v1alpha1"

KINDS: Final[dict[tuple[str, str], type[ApiStruct]]] = {
    (V1ALPHA1, "MachineConfiguration"): MachineConfiguration,
    (V1ALPHA1, "EncryptedData"): EncryptedData,
    (V1ALPHA1, "ConfigurationReference"): ConfigurationReference,
}
"""What a configuration file holds. BootstrapStatus, of the same group, is written only."""
