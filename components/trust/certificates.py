"""Certificates and their keys: pure functions, ECDSA P-256 throughout.

Rules: RFC 5280 for the extensions of an authority (4.2.1.1 to 4.2.1.3 and 4.2.1.9), RFC 6125 for server names, and
X.509-SVID 2 of SPIFFE, by which an authority's certificate carries no SPIFFE ID with a path: the intermediates here
therefore have no subject alternative name at all, and Istio asks for none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW = timedelta(minutes=5)
"""Certificates begin this long before they are made: a node whose clock is behind would refuse them otherwise."""

_NAME_LIMIT = 64
"""Longest organisation and common name (ub-organization-name and ub-common-name of RFC 5280, appendix A.1)."""


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM; the key is PKCS#8 without a passphrase, as istiod reads it."""

    certificate: str
    private_key: str = field(repr=False)


@dataclass(frozen=True)
class SigningRequest:
    """A request for a certificate, and the key that it is for, both PEM."""

    request: str
    private_key: str = field(repr=False)


def make_root(*, organization: str, common_name: str, lifetime: timedelta, now: datetime) -> KeyPair:
    """A self-signed authority without a limit on what is below it.

    Two roots of one organisation must differ in `common_name`: a verifier that finds issuers by name would otherwise
    try one root's key on the other's certificates.
    """
    key = _new_key()
    subject = _name(organization, common_name)
    builder = _builder(subject, subject, key, now, now + lifetime)
    return _signed(_as_authority(builder, path_length=None), key, key)


def make_intermediate(
    issuer: KeyPair, *, organization: str, common_name: str, lifetime: timedelta, now: datetime
) -> KeyPair:
    """An authority for workload certificates alone (pathlen 0), signed by `issuer` and ending no later than it."""
    authority, signer = _load(issuer)
    key = _new_key()
    end = min(now + lifetime, authority.not_valid_after_utc)
    builder = _builder(_name(organization, common_name), authority.subject, key, now, end)
    builder = builder.add_extension(_authority_key(authority), critical=False)
    return _signed(_as_authority(builder, path_length=0), key, signer)


def make_request(*, organization: str, common_name: str) -> SigningRequest:
    """A new key, and the request by which an authority elsewhere signs for it (PKCS#10, RFC 2986)."""
    key = _new_key()
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(organization, common_name))
    pem = request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return SigningRequest(pem, _private_pem(key))


def make_server(
    issuer: KeyPair, *, organization: str, hosts: Sequence[str], lifetime: timedelta, now: datetime
) -> KeyPair:
    """A TLS server's certificate for `hosts` (names or wildcards), signed by `issuer` and ending no later than it."""
    authority, signer = _load(issuer)
    key = _new_key()
    end = min(now + lifetime, authority.not_valid_after_utc)
    builder = (
        _builder(_name(organization, hosts[0]), authority.subject, key, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(_authority_key(authority), critical=False)
    )
    return _signed(builder, key, signer)


def not_after(certificate: str) -> datetime:
    """End of validity of the first certificate in `certificate`, in UTC."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def fingerprint(certificate: str) -> str:
    """SHA-256 of the first certificate in `certificate`, in lower-case hex: the same however its PEM is laid out."""
    return x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA256()).hex()


def split_chain(chain: str) -> tuple[str, str]:
    """What stands between a certificate and its root, and the root, of an issuer's chain (PEM) that ends with it."""
    *between, root = x509.load_pem_x509_certificates(chain.encode())
    return "".join(_pem(found) for found in between), _pem(root)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def bundle(certificates: Iterable[str]) -> str:
    """PEM certificates in the given order, each once, one after the other.

    istiod takes a changed bundle of roots only when the old one is a byte-for-byte part of the new one or the reverse,
    so callers append and never reorder.
    """
    blocks = dict.fromkeys(text.strip() + "\n" for text in certificates)
    return "".join(blocks)


def utc_now() -> datetime:
    """The present in UTC, to the second, as certificates keep it."""
    return datetime.now(UTC).replace(microsecond=0)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(organization: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:_NAME_LIMIT]),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_NAME_LIMIT]),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _as_authority(builder: x509.CertificateBuilder, *, path_length: int | None) -> x509.CertificateBuilder:
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        _usage(key_cert_sign=True, crl_sign=True), critical=True
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> KeyPair:
    certificate = builder.sign(signer, hashes.SHA256())
    return KeyPair(
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        private_key=_private_pem(key),
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load(pair: KeyPair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = load_pem_private_key(pair.private_key.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the issuer's key is not an elliptic-curve key")
    return x509.load_pem_x509_certificate(pair.certificate.encode()), key
