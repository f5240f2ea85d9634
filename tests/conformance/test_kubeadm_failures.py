"""The real kubeadm fails to find a cluster in every well-known way, and its words get the right code.

Its preflight phase changes nothing on the machine. The API server is a double that serves the two objects a joining kubeadm
asks for, behind real TLS and with a real signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from machineadm.api.v1alpha1.discovery import FileDiscovery, Kubeconfig, TokenDiscovery
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinWorker, Timeouts
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.node import NodeConfig
from machineadm.errors import KubeadmError
from machineadm.redaction import Secret
from machineadm.steps.kubeadm.failures import diagnose
from machineadm.steps.kubeadm.render import CONFIG
from tests.judges import judges
from tests.kubeadm_cases import rendered
from tests.real import missing

TOKEN_ID, TOKEN_SECRET = "abcdef", "0123456789abcdef"
TOKEN = f"{TOKEN_ID}.{TOKEN_SECRET}"
VERSIONS = pytest.mark.parametrize("version", judges.KUBEADM_VERSIONS)


def openssl(directory: Path, *arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        missing("openssl is not installed")
    subprocess.run([program, *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the CA, a server certificate for 127.0.0.1, and another CA."""
    directory = tmp_path_factory.mktemp("authority")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other"):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
        openssl(directory, "req", "-x509", *key, *files, "-days", "2", "-subj", "/CN=kubernetes")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    files = ("-keyout", "server.key", "-out", "server.csr")
    openssl(directory, "req", *key, *files, "-subj", "/CN=kube-apiserver")
    signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    openssl(
        directory, "x509", "-req", "-in", "server.csr", "-out", "server.crt", "-days", "2", *signing
    )
    openssl(directory, "x509", "-in", "ca.crt", "-noout", "-pubkey", "-out", "ca.pub")
    openssl(directory, "pkey", "-pubin", "-in", "ca.pub", "-outform", "der", "-out", "ca.pub.der")
    return directory


def pin_of(authority: Path) -> str:
    return "sha256:" + hashlib.sha256((authority / "ca.pub.der").read_bytes()).hexdigest()


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(kubeconfig: str) -> str:
    """The detached JWS that the bootstrap signer puts beside the cluster's kubeconfig."""
    header = unpadded(json.dumps({"alg": "HS256", "kid": TOKEN_ID}, separators=(",", ":")).encode())
    signed = f"{header}.{unpadded(kubeconfig.encode())}".encode()
    return f"{header}..{unpadded(hmac.digest(TOKEN_SECRET.encode(), signed, 'sha256'))}"


@pytest.fixture(scope="module")
def endpoint(authority: Path) -> Iterator[str]:
    """The address of an API server."""
    with api_server(authority, authority / "server.crt") as address:
        yield address


def certificate_of_another_time(authority: Path, directory: Path, begins: timedelta) -> Path:
    """The server's certificate, valid for a day that begins so much later than now."""
    issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
    key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    own = serialization.load_pem_private_key((authority / "server.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    start = datetime.now(timezone.utc) + begins
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]))
        .issuer_name(issuer.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = directory / "other-time.crt"
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def api_server(authority: Path, server_certificate: Path) -> Iterator[str]:
    """An API server that knows one token and gives nothing but cluster-info."""
    certificate = base64.b64encode((authority / "ca.crt").read_bytes()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.partition("?")[0].endswith("/configmaps/cluster-info")
            body = json.dumps(cluster_info() if known else status()).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def cluster_info() -> dict[str, object]:
        cluster = {"server": f"https://{address}", "certificate-authority-data": certificate}
        kubeconfig = json.dumps(
            {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]}
        )
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cluster-info", "namespace": "kube-public"},
            "data": {
                "kubeconfig": kubeconfig,
                f"jws-kubeconfig-{TOKEN_ID}": signature(kubeconfig),
            },
        }

    def status() -> dict[str, object]:
        return {
            "apiVersion": "v1",
            "kind": "Status",
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        }

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"127.0.0.1:{server.server_port}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_certificate, authority / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def worker(discovery: TokenDiscovery | FileDiscovery, version: str) -> KubernetesConfig:
    return KubernetesConfig(
        version=f"v{version}",
        role=JoinWorker(discovery=discovery, tls_bootstrap_token=Secret(TOKEN)),
        node=NodeConfig(
            cri_socket="unix:///run/no-such-runtime.sock", ignore_preflight_errors=("all",)
        ),
        # No multiple of kubeadm's pause of 5 s: an attempt that the end of the wait cuts off tells nothing (MA4031).
        timeouts=Timeouts(discovery="6s"),
    )


def failure_of(kubernetes: KubernetesConfig, directory: Path, verb: str = "join") -> KubeadmError:
    """What the preflight phase of kubeadm ends with."""
    for name, content in rendered(kubernetes, str(directory)).encode(reveal=True).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    argv = [str(judges.kubeadm(kubernetes.version)), verb, "phase", "preflight"]
    argv.append(f"--config={directory / CONFIG}")
    run = subprocess.run(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert run.returncode != 0, run.stdout
    return diagnose(run.stdout, command=tuple(argv), exit_code=run.returncode)


def by_token(endpoint: str, authority: Path) -> TokenDiscovery:
    return TokenDiscovery(
        token=Secret(TOKEN), endpoint=endpoint, ca_cert_hashes=(pin_of(authority),)
    )


@pytest.mark.requirement("U12")
@pytest.mark.parametrize("version", ["1.30.4", "1.34.4"])
def test_an_endpoint_where_nobody_listens(version: str, authority: Path, tmp_path: Path) -> None:
    error = failure_of(worker(by_token("127.0.0.1:1", authority), version), tmp_path)

    assert (error.code, error.passing, error.phase) == ("MA4009", True, "preflight")


@pytest.mark.parametrize("version", ["1.34.4"])
def test_an_endpoint_that_does_not_resolve(version: str, authority: Path, tmp_path: Path) -> None:
    error = failure_of(worker(by_token("cluster.invalid:6443", authority), version), tmp_path)

    assert (error.code, error.passing) == ("MA4009", True), error.log_tail


@pytest.mark.requirement("U12")
@pytest.mark.parametrize("token", [f"zzzzzz.{TOKEN_SECRET}", f"{TOKEN_ID}.{'f' * 16}"])
@VERSIONS
def test_a_wrong_token(
    version: str, token: str, endpoint: str, authority: Path, tmp_path: Path
) -> None:
    discovery = replace(by_token(endpoint, authority), token=Secret(token))

    error = failure_of(worker(discovery, version), tmp_path)

    assert (error.code, error.passing) == ("MA4007", False), error.log_tail


@pytest.mark.requirement("U12")
@VERSIONS
def test_a_wrong_pin_of_the_authority(
    version: str, endpoint: str, authority: Path, tmp_path: Path
) -> None:
    discovery = replace(by_token(endpoint, authority), ca_cert_hashes=("sha256:" + "0" * 64,))

    error = failure_of(worker(discovery, version), tmp_path)

    assert (error.code, error.passing) == ("MA4008", False), error.log_tail


@VERSIONS
def test_a_token_that_the_cluster_knows_no_more(
    version: str, endpoint: str, authority: Path, tmp_path: Path
) -> None:
    """Signed still, but refused: also the proof that the double is good enough to get so far."""
    error = failure_of(worker(by_token(endpoint, authority), version), tmp_path)

    assert (error.code, error.passing) == ("MA4007", False), error.log_tail
    assert "kubeadm-config" in error.message


@VERSIONS
def test_a_discovery_file_with_another_authority(
    version: str, endpoint: str, authority: Path, tmp_path: Path
) -> None:
    kubeconfig = Kubeconfig(
        server=f"https://{endpoint}", certificate_authority=(authority / "other.crt").read_text()
    )

    error = failure_of(worker(FileDiscovery(kubeconfig=kubeconfig), version), tmp_path)

    assert (error.code, error.passing) == ("MA4008", False), error.log_tail


@VERSIONS
def test_a_machine_without_a_runtime_is_told_every_check_that_failed(
    version: str, endpoint: str, authority: Path, tmp_path: Path
) -> None:
    kubernetes = worker(by_token(endpoint, authority), version)
    strict = replace(kubernetes, node=NodeConfig(cri_socket="unix:///run/no-such-runtime.sock"))

    error = failure_of(strict, tmp_path)

    listed = [line for line in error.log_tail.splitlines() if "[ERROR " in line]
    assert listed
    for line in listed:
        assert line.partition("[ERROR ")[2].partition("]")[0] in error.message
    assert error.code.startswith("MA40")
    assert error.code != "MA4001"
    assert error.hint()


@pytest.mark.parametrize(
    ("begins", "code", "passing"),
    [(timedelta(hours=1), "MA4032", True), (timedelta(days=-3), "MA4033", False)],
)
@pytest.mark.parametrize("by", ["token", "file"])
@VERSIONS
def test_a_certificate_of_another_time_is_about_the_clock(
    version: str,
    by: str,
    begins: timedelta,
    code: str,
    passing: bool,
    authority: Path,
    tmp_path: Path,
) -> None:
    certificate = certificate_of_another_time(authority, tmp_path, begins)
    with api_server(authority, certificate) as endpoint:
        kubeconfig = Kubeconfig(
            server=f"https://{endpoint}",
            certificate_authority=(authority / "ca.crt").read_text(),
        )
        discovery = (
            by_token(endpoint, authority) if by == "token" else FileDiscovery(kubeconfig=kubeconfig)
        )

        error = failure_of(worker(discovery, version), tmp_path)

    assert (error.code, error.passing) == (code, passing), error.log_tail
    assert "clock" in error.message


# Up to 1.30 kubeadm asks the runtime by crictl, and fails without it before it notices.
@pytest.mark.parametrize("version", [v for v in judges.KUBEADM_VERSIONS if v >= "1.31"])
def test_a_runtime_that_is_dead_at_init_has_its_code(version: str, tmp_path: Path) -> None:
    kubernetes = KubernetesConfig(
        version=f"v{version}",
        role=Initialize(),
        node=NodeConfig(
            cri_socket="unix:///run/no-such-runtime.sock", ignore_preflight_errors=("all",)
        ),
    )

    error = failure_of(kubernetes, tmp_path, "init")

    assert (error.code, error.passing) == ("MA4005", True), error.log_tail
