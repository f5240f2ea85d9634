"""machineadm, the agent: one file that turns a bare machine into a Kubernetes node.

What lives where, and who may import whom, is said in docs/architecture.md and checked by the
import contracts in pyproject.toml. This package itself stays empty.
"""
