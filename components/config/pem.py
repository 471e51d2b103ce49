"""Certificates and private keys as a stack file holds them: PEM text, read once and checked."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from components.config.faults import invalid


@dataclass(frozen=True)
class PemCertificate:
    """One X.509 certificate in PEM; `pem` ends with one newline, `parsed` is the parsed certificate."""

    pem: str
    parsed: x509.Certificate = field(repr=False, compare=False)

    @classmethod
    def parse(cls, written: object) -> "PemCertificate":
        text = written.strip() if isinstance(written, str) else ""
        _refuse_key(text)
        try:
            found = x509.load_pem_x509_certificates(text.encode())
        except ValueError:
            found = []
        if len(found) != 1:
            raise invalid(
                "this is not a certificate in PEM" if not found else f"there are {len(found)} certificates",
                "Proxies could not build a chain from it",
                "Give one block from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`",
            )
        return cls(text + "\n", found[0])

    @property
    def not_after(self) -> datetime:
        """End of its validity, in UTC."""
        return self.parsed.not_valid_after_utc

    def valid_at(self, moment: datetime) -> bool:
        return self.parsed.not_valid_before_utc <= moment <= self.parsed.not_valid_after_utc

    def signed_by(self, issuer: "PemCertificate") -> bool:
        """Whether `issuer` is named in it and its key made the signature."""
        try:
            self.parsed.verify_directly_issued_by(issuer.parsed)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def missing_of_authority(self, *, path_length: int | None = None) -> list[str]:
        """What it lacks of an authority's certificate (RFC 5280 4.2.1.3 and 4.2.1.9); empty when nothing."""
        extensions = self.parsed.extensions
        missing: list[str] = []
        try:
            constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            return ["CA:TRUE"]
        if not constraints.ca:
            return ["CA:TRUE"]
        if path_length is not None and constraints.path_length != path_length:
            missing.append(f"pathlen:{path_length}")
        try:
            usage = extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return [*missing, "keyCertSign"]
        return missing if usage.key_cert_sign else [*missing, "keyCertSign"]

    def belongs_to(self, key: SecretStr) -> bool:
        """Whether `key` is the private key of this certificate."""
        mine = self.parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        theirs = load_key(key).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return mine == theirs

    def covers(self, host: str) -> bool:
        """Whether a client that asked for `host` accepts it by its subject alternative names (RFC 6125 6.4.3)."""
        try:
            extension = self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return False
        names = extension.value.get_values_for_type(x509.DNSName)
        return host in names or f"*.{host.partition('.')[2]}" in names

    def __str__(self) -> str:
        return self.pem

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^\\s*-----BEGIN CERTIFICATE-----"}


def parse_chain(written: str) -> tuple[PemCertificate, ...]:
    """The certificates of a chain, each signed by the next. Raises InvalidValue."""
    _refuse_key(written)
    blocks = _BLOCK.findall(written)
    if not blocks:
        return (PemCertificate.parse(written),)
    if _BLOCK.sub("", written).strip():
        raise invalid(
            "there is something besides whole certificates",
            "The gateway would refuse the chain, or show clients a part of it",
            "Keep only the blocks from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`",
        )
    chain = tuple(PemCertificate.parse(block) for block in blocks)
    for number, (certificate, issuer) in enumerate(pairwise(chain), 1):
        if not certificate.signed_by(issuer):
            raise invalid(
                f"certificate {number} is not signed by certificate {number + 1}, which follows it",
                "Clients could not follow the chain to a root that they know, and would refuse the connection",
                "Give the server's certificate first, then the one that signed it, and so on",
            )
    return chain


_BLOCK = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def holds_key(text: str) -> bool:
    """Whether there is a private key in PEM in it, whatever else it holds."""
    return "PRIVATE KEY" in text


def _refuse_key(text: str) -> None:
    if holds_key(text):
        raise invalid(
            "there is a private key among the certificates",
            "Certificates are shown in outputs and logs, and the key with them",
            "Keep the certificate alone here, and take the key for disclosed if the file was shared",
        )


def now() -> datetime:
    """The moment against which validity is checked, in UTC."""
    return datetime.now(UTC)


def load_key(key: SecretStr) -> PrivateKeyTypes:
    """The private key itself. Raises ValueError or TypeError when it is none."""
    return load_pem_private_key(key.get_secret_value().encode(), password=None)


def _private_key(value: SecretStr) -> SecretStr:
    try:
        load_key(value)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Neither the text nor the parser's message is passed on: both may hold parts of the key.
        raise invalid(
            "this is not an unencrypted private key in PEM",
            "istiod and gateways could not use it",
            "Give an EC or RSA key in PKCS#8, SEC 1 or PKCS#1 form, set by `pulumi config set --secret --path`",
        ) from None
    return value


_ENCRYPTED = {"type": "object", "properties": {"secure": {"type": "string"}}, "required": ["secure"]}

PrivateKey = Annotated[
    SecretStr,
    AfterValidator(_private_key),
    # As `pulumi config set --secret` leaves it in the file; the program gets the text.
    WithJsonSchema({**_ENCRYPTED, "additionalProperties": False}),
]
"""A private key in unencrypted PEM. A secret: set it with `pulumi config set --secret`; it is never shown."""
