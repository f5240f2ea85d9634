"""The plugins that ship, packed, on real parts: a software TPM, a web server; each through the conformance suite."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from machineadm.cli.main import main
from machineadm.plugins.inspection.conformance.model import Subject
from machineadm.plugins.inspection.conformance.suite import checks_of
from machineadm.plugins.sdk import CallError, Evidence
from plugins.attestation_tpm import FORMAT, Tpm
from plugins.encryption_provider_aws import Aws as Kms
from plugins.infrastructure_aws import Aws
from tests import debian
from tests.stores import servers
from tests.stores.servers import free_ports

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tcti(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A TPM 2.0 in software, started anew."""
    debian.require(swtpm="swtpm", tpm2_quote="tpm2-tools")
    state = tmp_path_factory.mktemp("tpm")
    (port,) = free_ports(1)
    # Where libtss2 looks for the control channel.
    control = port + 1
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}"]
    command += [
        "--server",
        f"type=tcp,port={port},disconnect",
        "--ctrl",
        f"type=tcp,port={control}",
    ]
    process = subprocess.Popen([*command, "--flags", "not-need-init,startup-clear"])
    try:
        time.sleep(0.5)
        assert process.poll() is None
        yield f"swtpm:host=127.0.0.1,port={port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def tpm(tcti: str) -> Tpm:
    one = Tpm()
    one.configure({"tcti": tcti})
    return one


def test_a_quote_proves_one_challenge_with_one_key(tpm: Tpm, tcti: str) -> None:
    first, second = (tpm.attest(challenge) for challenge in (b"one", b"two"))
    identity = tpm.verify(b"one", first)

    assert identity == tpm.verify(b"two", second)
    assert identity.startswith("tpm:")
    tpm.configure({"tcti": tcti, "trustedKeys": [identity]})
    assert tpm.verify(b"one", first) == identity
    tpm.configure({"tcti": tcti, "trustedKeys": ["tpm:" + "0" * 64]})
    with pytest.raises(CallError, match="not one of trustedKeys"):
        tpm.verify(b"one", first)


@pytest.mark.parametrize("part", ["key", "quote", "signature", "pcrs"])
def test_every_part_of_the_evidence_counts(tpm: Tpm, part: str) -> None:
    evidence = tpm.attest(b"one")
    assert tpm.verify(b"one", evidence)
    found = json.loads(evidence.evidence)
    data = bytearray(base64.b64decode(found[part]))
    # Most of the file of PCRs is room for others; here the value of the first begins.
    data[150 if part == "pcrs" else len(data) // 2] ^= 1
    found[part] = base64.b64encode(data).decode()
    with pytest.raises(CallError):
        tpm.verify(b"one", Evidence(FORMAT, json.dumps(found).encode()))


def test_what_is_measured_afterwards_changes_the_quote(tpm: Tpm, tcti: str) -> None:
    before = json.loads(tpm.attest(b"one").evidence)["pcrs"]
    subprocess.run(
        ["tpm2_pcrextend", f"7:sha256={'ab' * 32}"],
        env={"PATH": "/usr/bin:/bin", "TPM2TOOLS_TCTI": tcti},
        check=True,
    )
    assert json.loads(tpm.attest(b"one").evidence)["pcrs"] != before


def test_a_quote_of_other_pcrs_is_refused(tpm: Tpm, tcti: str) -> None:
    other = Tpm()
    other.configure({"tcti": tcti, "pcrs": "sha256:0,7"})
    evidence = other.attest(b"one")

    assert other.verify(b"one", evidence)
    with pytest.raises(CallError, match="other PCRs"):
        tpm.verify(b"one", evidence)


def test_a_machine_without_a_tpm_says_so() -> None:
    one = Tpm()
    one.configure({"tcti": "device:/dev/no-such-tpm"})
    with pytest.raises(CallError, match="tpm2_getcap fails"):
        one.attest(b"one")


@pytest.mark.parametrize(
    ("module", "settings", "known"),
    [
        ("encryption_provider_file", {"directory": "TMP/words"}, {"provider": "vault"}),
        ("infrastructure_http", {}, {"missing": "http://127.0.0.1:9/none"}),
        ("attestation_tpm", {"tcti": "TCTI"}, {}),
    ],
)
def test_a_shipped_plugin_packs_and_conforms(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    module: str,
    settings: dict[str, Any],
    known: dict[str, Any],
) -> None:
    kind, _, name = module.rpartition("_")
    output = tmp_path / f"machineadm-plugin-{kind.replace('_', '-')}-{name}"
    packed = subprocess.run(
        [
            sys.executable,
            str(ROOT / "build/plugin.py"),
            str(ROOT / f"plugins/{module}.py"),
            "--output",
            str(output),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert packed.returncode == 0, packed.stderr
    assert hashlib.sha256(output.read_bytes()).hexdigest() in packed.stdout
    (tmp_path / "words").mkdir()
    (tmp_path / "words/vault").touch(0o600)
    (tmp_path / "words/vault").write_text("open sesame")
    text = json.dumps(settings).replace("TMP", str(tmp_path))
    if "TCTI" in text:
        text = text.replace("TCTI", request.getfixturevalue("tcti"))
    words = ["plugin", "conformance", str(output), "--input", json.dumps(known)]
    code = main([*words, "--settings", text, *(["--writes"] if name == "file" else [])])
    table = capsys.readouterr().out

    assert code == 0, table
    assert "FAILED" not in table


def _driven(tmp_path: Path, module: str, settings: dict[str, Any], location: str) -> None:
    """Have a store's plugin driven through its kind's checks that call it, all of them with writes."""
    script = tmp_path / f"machineadm-plugin-infrastructure-{module}"
    text = (ROOT / f"plugins/infrastructure_{module}.py").read_text()
    script.write_text(f"#!{sys.executable} -I\n{text}")
    script.chmod(0o755)
    known = {"report": location, "missing": f"{location}-none", "location": location}
    subject = Subject(
        kind="infrastructure", path=str(script), settings=settings, inputs=known, writes=True
    )
    with subject.running() as plugin:
        checks = checks_of("infrastructure")
        checks["accepts a report"](subject, plugin)
        for check in checks.values():
            check(subject, plugin)


def test_gcs_keeps_what_it_is_given(tmp_path: Path) -> None:
    with servers.fake_gcs_server(tmp_path) as store:
        settings = {
            "endpoint": store.endpoint,
            "bucket": servers.BUCKET,
            "prefix": "m/",
            "anonymous": True,
        }
        _driven(tmp_path, "gcs", settings, f"gs://{servers.BUCKET}/reports/one two.json")


def test_aws_keeps_what_it_is_given_and_is_refused_with_another_key(tmp_path: Path) -> None:
    pytest.importorskip("boto3", reason="the bucket is made by boto3, which needs Python 3.11")
    (tmp_path / "store").mkdir()
    with servers.seaweedfs(tmp_path / "store") as store:
        settings = {
            "region": servers.S3_ENVIRONMENT["AWS_DEFAULT_REGION"],
            "endpoint": store.endpoint,
            "bucket": servers.BUCKET,
            "accessKeyId": servers.S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            "secretAccessKey": servers.S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        }
        _driven(tmp_path, "aws", settings, f"s3://{servers.BUCKET}/reports/one two.json")
        stranger = Aws()
        stranger.configure({**settings, "secretAccessKey": "another"})
        with pytest.raises(CallError, match="answers 403"):
            stranger.store("x", iter([b"data"]))


class Amazon(NamedTuple):
    """An account: a key of KMS, a bucket, and a user who may use both."""

    settings: dict[str, Any]
    client: Any
    """boto3's, of KMS."""


@pytest.fixture(scope="module")
def amazon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Amazon]:
    boto3 = pytest.importorskip("boto3", reason="moto needs Python 3.11")
    region = "eu-central-1"
    with servers.moto(tmp_path_factory.mktemp("moto")) as endpoint:

        def client(service: str, who: tuple[str, str] = ("nobody", "nothing")) -> Any:
            return boto3.client(
                service,
                endpoint_url=endpoint,
                region_name=region,
                aws_access_key_id=who[0],
                aws_secret_access_key=who[1],
            )

        # Five calls, before moto begins to judge them (servers.MOTO_BEFORE).
        iam, kms = client("iam"), client("kms")
        iam.create_user(UserName="machine")
        allowed = {"Effect": "Allow", "Action": ["kms:*", "s3:*"], "Resource": "*"}
        iam.put_user_policy(
            UserName="machine",
            PolicyName="all",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
        )
        made = iam.create_access_key(UserName="machine")["AccessKey"]
        own = made["AccessKeyId"], made["SecretAccessKey"]
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        client("s3").create_bucket(
            Bucket=servers.BUCKET, CreateBucketConfiguration={"LocationConstraint": region}
        )
        settings = {
            "region": region,
            "endpoint": endpoint,
            "kmsEndpoint": endpoint,
            "bucket": servers.BUCKET,
            "prefix": "words/",
            "keyId": key,
            "accessKeyId": own[0],
            "secretAccessKey": own[1],
        }
        yield Amazon(settings, client("kms", own))


def kms_of(settings: dict[str, Any], **others: Any) -> Kms:
    one = Kms()
    one.configure({name: value for name, value in {**settings, **others}.items() if value != ""})
    return one


def test_what_kms_encrypted_is_opened_for_its_name_alone(amazon: Amazon) -> None:
    one = kms_of(amazon.settings)
    one.store_passphrase("vault", b"open sesame")
    assert one.fetch_passphrase("vault") == b"open sesame"

    # The object holds what KMS made, bound to the name, and not the passphrase.
    sealed = one._ask("GET", "vault", b"")
    assert b"sesame" not in sealed
    context = {"machineadm-provider": "vault"}
    opened = amazon.client.decrypt(CiphertextBlob=sealed, EncryptionContext=context)
    assert opened["Plaintext"] == b"open sesame"
    one._ask("PUT", "other", sealed)
    with pytest.raises(CallError, match="InvalidCiphertextException"):
        one.fetch_passphrase("other")

    one.delete_passphrase("vault")
    one.delete_passphrase("vault")
    with pytest.raises(CallError, match="answers 404"):
        one.fetch_passphrase("vault")


def test_what_boto3_encrypted_needs_no_bucket(amazon: Amazon) -> None:
    made = amazon.client.encrypt(
        KeyId=amazon.settings["keyId"],
        Plaintext=b"from elsewhere",
        EncryptionContext={"machineadm-provider": "vault"},
    )
    text = base64.b64encode(made["CiphertextBlob"]).decode()
    one = kms_of(amazon.settings, bucket="", passphrases={"vault": text})
    assert one.fetch_passphrase("vault") == b"from elsewhere"


@pytest.mark.parametrize("size", [1, 4096])
def test_all_that_kms_takes_comes_back(amazon: Amazon, size: int) -> None:
    one = kms_of(amazon.settings)
    word = bytes(range(256)) * 16
    one.store_passphrase(f"of-{size}", word[:size])
    assert one.fetch_passphrase(f"of-{size}") == word[:size]


@pytest.mark.parametrize("whose", ["secretAccessKey", "accessKeyId"])
def test_kms_and_s3_refuse_another_key(amazon: Amazon, whose: str) -> None:
    text = base64.b64encode(b"x" * 100).decode()
    stranger = kms_of(
        amazon.settings, passphrases={"vault": text}, **{whose: "another-key-than-that"}
    )
    with pytest.raises(CallError, match=r"answers 40[03] to POST") as refused:
        stranger.fetch_passphrase("vault")
    assert "another-key" not in str(refused.value)
    with pytest.raises(CallError, match="answers 403 to GET"):
        stranger.fetch_passphrase("elsewhere")


def test_the_provider_of_amazon_conforms(
    amazon: Amazon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "machineadm-plugin-encryption-provider-aws"
    text = (ROOT / "plugins/encryption_provider_aws.py").read_text()
    script.write_text(f"#!{sys.executable} -I\n{text}")
    script.chmod(0o755)
    kms_of(amazon.settings).store_passphrase("vault", b"open sesame")
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(amazon.settings))
    words = ["plugin", "conformance", str(script), "--input", '{"provider": "vault"}']
    code = main([*words, "--settings", f"@{settings}", "--writes"])
    table = capsys.readouterr().out

    assert code == 0, table
    assert "FAILED" not in table
