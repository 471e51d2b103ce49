"""The secrets that a stack's file leaves out: made for the rehearsal, and set as a person would set them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMESPACE = "istio-mesh"


@dataclass(frozen=True)
class Setting:
    """A value for `pulumi config set --path`. secret: by `--secret`."""

    path: str
    value: str
    secret: bool = False


@dataclass(frozen=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def settings(values: Mapping[str, Any]) -> Iterator[Setting]:
    """What has to be set beside a stack's file. values: its configuration."""
    root = values.get(f"{NAMESPACE}:trust", {}).get("root", {}).get("provided")
    if root is not None:
        yield from _trust(root.get("intermediates", {}))
    for index, server in enumerate(values.get(f"{NAMESPACE}:gateways", {}).get("ingress", {}).get("servers", [])):
        tls = server.get("tls", {})
        if "privateKey" in tls and not tls["privateKey"]:
            pair = _issued(server["hosts"][0], names=server["hosts"])
            where = f"{NAMESPACE}:gateways.ingress.servers[{index}].tls"
            yield Setting(f"{where}.certificate", pair.pem)
            yield Setting(f"{where}.privateKey", pair.key_pem, secret=True)


def _trust(clusters: Mapping[str, Any]) -> Iterator[Setting]:
    where = f"{NAMESPACE}:trust.root.provided"
    root = _issued("rehearsal root", length=1)
    yield Setting(f"{where}.certificate", root.pem)
    for name in clusters:
        made = _issued(f"rehearsal {name}", by=root, length=0)
        yield Setting(f"{where}.intermediates.{name}.certificate", made.pem)
        yield Setting(f"{where}.intermediates.{name}.privateKey", made.key_pem, secret=True)


def _issued(name: str, *, by: _Pair | None = None, length: int | None = None, names: Sequence[str] = ()) -> _Pair:
    """A certificate; an authority where `length`, of the path below it, is given."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signs = length is not None
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    issuer_key = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=365 if by or names else 730))
        .add_extension(x509.BasicConstraints(ca=signs, path_length=length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    return _Pair(builder.sign(issuer_key, hashes.SHA256()), key)
