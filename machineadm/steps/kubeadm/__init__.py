"""The kubeadm concern: rendering its files per version, running it, reading its failures.

May import: what steps may, and modules of this package.
"""
