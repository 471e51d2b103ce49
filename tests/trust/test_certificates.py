"""What is made is what istiod, Envoy and browsers accept, by the rules of a verifier that is not ours."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import DNSName
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from components.trust import certificates
from components.trust.certificates import KeyPair

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def root() -> KeyPair:
    return certificates.make_root(organization="mesh.local", common_name="Root CA 1", lifetime=10 * YEAR, now=NOW)


@pytest.fixture(scope="module")
def intermediate(root: KeyPair) -> KeyPair:
    return certificates.make_intermediate(
        root, organization="mesh.local", common_name="Intermediate CA use1", lifetime=2 * YEAR, now=NOW
    )


def load(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def verify(leaf: KeyPair, host: str, *, roots: list[KeyPair], between: list[KeyPair], at: datetime) -> None:
    store = Store([load(pair) for pair in roots])
    verifier = PolicyBuilder().store(store).time(at).build_server_verifier(DNSName(host))
    verifier.verify(load(leaf), [load(pair) for pair in between])


def test_a_root_is_a_self_signed_authority_of_p256(root: KeyPair) -> None:
    certificate = load(root)
    certificate.verify_directly_issued_by(certificate)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=None)
    key = load_pem_private_key(root.private_key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert root.private_key.startswith("-----BEGIN PRIVATE KEY-----"), "PKCS#8, which istiod reads"
    assert key.public_key() == certificate.public_key()


def test_an_intermediate_can_sign_workloads_and_no_further_authority(root: KeyPair, intermediate: KeyPair) -> None:
    certificate = load(intermediate)
    certificate.verify_directly_issued_by(load(root))
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    assert certificate.subject.rfc4514_string() == "CN=Intermediate CA use1,O=mesh.local"


def test_an_intermediate_names_its_issuer_by_key(root: KeyPair, intermediate: KeyPair) -> None:
    mine = load(root).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    theirs = load(intermediate).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert theirs.key_identifier == mine.digest


def test_a_server_is_accepted_through_the_intermediate_and_not_for_another_host(
    root: KeyPair, intermediate: KeyPair
) -> None:
    leaf = certificates.make_server(
        intermediate,
        organization="exam",
        hosts=["exam-platform.com", "*.exam-platform.com"],
        lifetime=YEAR,
        now=NOW,
    )
    verify(leaf, "exam-platform.com", roots=[root], between=[intermediate], at=NOW)
    verify(leaf, "api.exam-platform.com", roots=[root], between=[intermediate], at=NOW)
    with pytest.raises(VerificationError):
        verify(leaf, "other.com", roots=[root], between=[intermediate], at=NOW)
    with pytest.raises(VerificationError):
        verify(leaf, "exam-platform.com", roots=[root], between=[], at=NOW)


def test_a_foreign_root_is_refused(intermediate: KeyPair) -> None:
    foreign = certificates.make_root(organization="mesh.local", common_name="Root CA 1", lifetime=YEAR, now=NOW)
    leaf = certificates.make_server(intermediate, organization="exam", hosts=["a.b"], lifetime=YEAR, now=NOW)
    with pytest.raises(VerificationError):
        verify(leaf, "a.b", roots=[foreign], between=[intermediate], at=NOW)


def test_a_certificate_is_valid_on_a_node_whose_clock_is_behind(root: KeyPair) -> None:
    leaf = certificates.make_server(root, organization="exam", hosts=["a.b"], lifetime=YEAR, now=NOW)
    verify(leaf, "a.b", roots=[root], between=[], at=NOW - timedelta(minutes=4))
    with pytest.raises(VerificationError):
        verify(leaf, "a.b", roots=[root], between=[], at=NOW - timedelta(minutes=6))


def test_nothing_outlives_its_issuer() -> None:
    short = certificates.make_root(organization="o", common_name="c", lifetime=timedelta(days=10), now=NOW)
    below = certificates.make_intermediate(short, organization="o", common_name="i", lifetime=YEAR, now=NOW)
    assert certificates.not_after(below.certificate) == NOW + timedelta(days=10)


def test_serial_numbers_differ_between_certificates_of_one_name(root: KeyPair, intermediate: KeyPair) -> None:
    again = certificates.make_intermediate(
        root, organization="mesh.local", common_name="Intermediate CA use1", lifetime=2 * YEAR, now=NOW
    )
    assert load(again).serial_number != load(intermediate).serial_number
    assert certificates.fingerprint(again.certificate) != certificates.fingerprint(intermediate.certificate)


def test_names_longer_than_x509_allows_are_cut(root: KeyPair) -> None:
    long = certificates.make_root(organization="o" * 200, common_name="c" * 200, lifetime=YEAR, now=NOW)
    assert load(long).subject.rfc4514_string() == f"CN={'c' * 64},O={'o' * 64}"


def test_a_bundle_keeps_the_order_and_holds_each_certificate_once(root: KeyPair, intermediate: KeyPair) -> None:
    first, second = root.certificate, intermediate.certificate
    assert certificates.bundle([first, second, f"\n{first}\n"]) == first + second
    assert certificates.bundle([first]) in certificates.bundle([first, second]), "istiod compares bytes"


def test_a_private_key_is_not_in_a_pairs_text(root: KeyPair) -> None:
    assert "PRIVATE" not in repr(root)


def test_openssl_accepts_the_chain(root: KeyPair, intermediate: KeyPair, tmp_path: Path) -> None:
    """The second opinion: strict checks of RFC 5280 by another implementation."""
    leaf = certificates.make_server(intermediate, organization="exam", hosts=["a.b"], lifetime=YEAR, now=NOW)
    for name, pair in {"root": root, "intermediate": intermediate, "leaf": leaf}.items():
        (tmp_path / name).write_text(pair.certificate)
    command = [
        "openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp())), "-verify_hostname", "a.b",
        "-CAfile", "root", "-untrusted", "intermediate", "leaf",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "leaf: OK", done.stdout + done.stderr
