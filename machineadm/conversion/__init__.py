"""What people have (KubeadmConfig, kubeadm's own documents, NodeConfig) as our kinds, with an account of every field.

Here: one module for each thing that is read, `account.py` (what became of each leaf), `texts.py` and `shell.py` (what stands
in a text), `writing.py` (the result as YAML), `whole.py` (a stream). Not here: reading files, printing.
May import: documents, config, api. Pure; only `machineadm convert` imports it.
"""
