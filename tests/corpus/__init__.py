"""Public configurations of other people, which lie outside the repository: `MACHINEADM_CORPUS` names the directory."""
