"""How a joining machine finds its cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.discovery import Kubeconfig, TokenDiscovery
from machineadm.config.rules.model import Context, Rules, finding
from machineadm.config.rules.names import endpoint_problem


def _token_is_given(discovery: TokenDiscovery, _context: Context) -> Iterator[Finding]:
    """In the management cluster it may be missing, because the manager creates one."""
    if discovery.token is None and discovery.token_from is None:
        yield finding("MA1302", "", "one of token and tokenFrom is required on a machine")


def _cluster_is_pinned(discovery: TokenDiscovery, _context: Context) -> Iterator[Finding]:
    # The token authenticates the machine to the cluster, not the reverse: anyone who knows it could
    # pose as the API server.
    if not discovery.ca_cert_hashes and not discovery.unsafe_skip_ca_verification:
        yield finding(
            "MA1321",
            "caCertHashes",
            "at least one is required, because the token alone does not authenticate the cluster",
            "`openssl x509 -pubkey -noout < ca.crt | openssl pkey -pubin -outform der | sha256sum`",
        )


def _endpoint_has_a_port(discovery: TokenDiscovery, _context: Context) -> Iterator[Finding]:
    # Unlike controlPlaneEndpoint, to which kubeadm adds a port: here it dials what is written.
    if problem := endpoint_problem(discovery.endpoint, port_required=True):
        yield finding("MA1322", "endpoint", problem, "host:port, such as api.example.com:6443")


def _server_is_https(kubeconfig: Kubeconfig, _context: Context) -> Iterator[Finding]:
    # The kubelet would send the bootstrap token over it, which anybody on the way may use.
    if not kubeconfig.server.startswith("https://"):
        yield finding("MA1322", "server", "must be an https URL")


def _verified_or_not(kubeconfig: Kubeconfig, _context: Context) -> Iterator[Finding]:
    if kubeconfig.insecure_skip_tls_verify and kubeconfig.certificate_authority is not None:
        yield finding("MA1301", "insecureSkipTLSVerify", "not together with certificateAuthority")


RULES: Final[Rules] = {
    TokenDiscovery: (_token_is_given, _cluster_is_pinned, _endpoint_has_a_port),
    Kubeconfig: (_server_is_https, _verified_or_not),
}
