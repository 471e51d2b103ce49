"""Certificates: reading what is in use, checking chains, and making client identities to knock with."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# istiod dates a workload certificate back by this much, for clocks that run behind
# (istio security/pkg/pki/util/generate_cert.go, ClockSkewGracePeriod).
CLOCK_SKEW = datetime.timedelta(minutes=2)
LIFETIME = datetime.timedelta(hours=1)  # of what a proof makes and nobody keeps


def parse_bundle(pem: bytes) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificates(pem))


def pem_of(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def spiffe_id(certificate: x509.Certificate) -> str:
    """The one URI name of a workload certificate."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uri


def dns_names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 in lower-case hexadecimal, as ``Hash=`` of x-forwarded-client-cert gives it."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def is_authority(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@dataclass(frozen=True)
class WorkloadCertificate:
    """What a proxy presents and what it trusts.

    :ivar chain: leaf first.
    :ivar roots: the trusted roots.
    """

    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def lifetime(self) -> datetime.timedelta:
        """From signing to its end."""
        return self.leaf.not_valid_after_utc - self.leaf.not_valid_before_utc - CLOCK_SKEW

    @property
    def root(self) -> x509.Certificate:
        """The trusted root that signatures lead to. istiod sends all that it trusts after what it signs: the order of
        the chain says nothing.

        :raises AssertionError: where they lead to none.
        """
        current, above = self.leaf, [*self.roots, *self.chain[1:]]
        for _ in above:
            if current in self.roots:
                return current
            current = next((issuer for issuer in above if issuer != current and _signed_by(current, issuer)), current)
        raise AssertionError(f"{current.subject.rfc4514_string()} was signed by no trusted root")

    def authorities(self) -> tuple[x509.Certificate, ...]:
        """The issuers above the leaf up to and with the root, each shown to have signed the one below.

        :raises AssertionError: naming the certificate that its issuer did not sign, or that no root signed.
        """
        above = list(self.chain[1:])
        top = above[-1] if above else self.leaf
        if top not in self.roots:
            issuers = [root for root in self.roots if root.subject == top.issuer]
            assert issuers, f"{top.subject.rfc4514_string()}: issued by {top.issuer.rfc4514_string()}, no trusted root"
            above.append(issuers[0])
        for certificate, issuer in zip((self.leaf, *above), above, strict=False):
            certificate.verify_directly_issued_by(issuer)
            assert is_authority(issuer), f"{issuer.subject.rfc4514_string()} signed but is no authority"
        return tuple(above)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


@dataclass(frozen=True)
class Authority:
    """A certificate authority whose key is at hand.

    :ivar chain: its own certificate first, then those above it that a peer does not have.
    """

    key: CertificateIssuerPrivateKeyTypes
    chain: tuple[x509.Certificate, ...]

    @classmethod
    def load(cls, key_pem: bytes, chain: Sequence[x509.Certificate]) -> Authority:
        key = serialization.load_pem_private_key(key_pem, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), f"expected an ECDSA key, found {type(key).__name__}"
        return cls(key, tuple(chain))

    @classmethod
    def foreign(cls, common_name: str, lifetime: datetime.timedelta = LIFETIME) -> Authority:
        """A self-signed root that nobody trusts."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, common_name)])
        builder = _builder(name, name, key, lifetime).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        return cls(key, (builder.sign(key, hashes.SHA256()),))

    def client(self, spiffe: str, file: Path) -> Path:
        """Writes key and chain of a client certificate for ``spiffe`` into ``file``, readable by the owner only."""
        chain, key = self.issue(x509.UniformResourceIdentifier(spiffe))
        file.touch(mode=0o600)
        file.write_bytes(key + chain)
        return file

    def issue(self, name: x509.GeneralName, *, ahead: datetime.timedelta = datetime.timedelta()) -> tuple[bytes, bytes]:
        """A certificate for ``name`` with those above it, and its key: both PEM.

        :param ahead: by how much the clock of whoever makes it is ahead of the others'.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        certificate = (
            _builder(x509.Name([]), self.chain[0].subject, key, ahead=ahead)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem_of(certificate, *self.chain), pem


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    lifetime: datetime.timedelta = LIFETIME,
    ahead: datetime.timedelta = datetime.timedelta(),
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC) + ahead
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )
