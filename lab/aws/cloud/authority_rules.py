"""AWS Private CA: templates, validity and the state of an authority count (Private CA user guide, UsingTemplates.html
and issuing-certificates; API_IssueCertificate).
"""

from __future__ import annotations

import base64
import datetime
import json
import uuid
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from moto.acmpca.exceptions import InvalidStateException
from moto.acmpca.models import ACMPCABackend, CertificateAuthority
from moto.acmpca.responses import ACMPCAResponse
from moto.core.exceptions import JsonRESTError

from lab.aws.cloud.around import around
from lab.aws.cloud.backends import backend

PREFIX = "arn:aws:acm-pca:::template/"
TEMPLATES = {
    "EndEntityCertificate/V1": None,
    "SubordinateCACertificate_PathLen0/V1": 0,
    "SubordinateCACertificate_PathLen1/V1": 1,
    "SubordinateCACertificate_PathLen2/V1": 2,
    "SubordinateCACertificate_PathLen3/V1": 3,
}
"""Templates and the length of the path below; None: no authority."""

_HASHES = {"SHA256": hashes.SHA256, "SHA384": hashes.SHA384, "SHA512": hashes.SHA512}
_DAYS = {"DAYS": 1, "MONTHS": 30, "YEARS": 365}
_SHORT_LIVED = 7


@around(ACMPCAResponse, "issue_certificate")
def issue_certificate(original: Callable[..., Any], self: Any) -> Any:
    del original
    given = json.loads(self.body)
    region: ACMPCABackend = backend("acm-pca", self.region)
    authority = region.describe_certificate_authority(given["CertificateAuthorityArn"])
    template = given.get("TemplateArn", f"{PREFIX}EndEntityCertificate/V1").removeprefix(PREFIX)
    if authority.status != "ACTIVE":
        raise InvalidStateException(authority.arn)
    if template not in TEMPLATES:
        raise JsonRESTError(
            "InvalidArgsException", f"The template {template} does not exist, or is not for this authority"
        )
    # The authority's key may be one of moto's, RSA, or one of EC that was there before the stack.
    kind = "RSA" if isinstance(authority.key, rsa.RSAPrivateKey) else "EC"
    name, _, of = given["SigningAlgorithm"].partition("WITH")
    algorithm = _HASHES.get(name)
    if algorithm is None or of != {"RSA": "RSA", "EC": "ECDSA"}[kind]:
        raise JsonRESTError(
            "InvalidArgsException", f"{given['SigningAlgorithm']} does not go with the authority's {kind} key"
        )
    end = _end(authority, given["Validity"])
    try:
        request = x509.load_pem_x509_csr(base64.b64decode(given["Csr"]))
    except ValueError as error:
        raise JsonRESTError("MalformedCSRException", f"The certificate signing request is invalid: {error}") from error
    if not request.is_signature_valid:
        raise JsonRESTError("MalformedCSRException", "The certificate signing request is not signed by its own key")
    arn = f"{authority.arn}/certificate/{uuid.uuid4().hex}"
    signed = _signed(authority, request, TEMPLATES[template], end, algorithm())
    authority.issued_certificates[arn] = signed
    chain = authority.certificate_bytes + (authority.certificate_chain or b"")
    authority.issued_certificates_certificate_chains[arn] = chain
    return json.dumps({"CertificateArn": arn})


def _end(authority: CertificateAuthority, validity: dict[str, Any]) -> datetime.datetime:
    now = datetime.datetime.now(datetime.UTC)
    kind, value = validity["Type"], validity["Value"]
    if kind == "ABSOLUTE":
        end = datetime.datetime.fromtimestamp(value, datetime.UTC)
    elif kind == "END_DATE":
        end = datetime.datetime.strptime(str(value), "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC)
    else:
        end = now + datetime.timedelta(days=_DAYS[kind] * value)
    own = authority.certificate
    if own is not None and end > own.not_valid_after_utc:
        raise JsonRESTError(
            "ValidationException", "The certificate validity specified exceeds the certificate authority validity."
        )
    if authority.usage_mode == "SHORT_LIVED_CERTIFICATE" and end > now + datetime.timedelta(
        days=_SHORT_LIVED, minutes=5
    ):
        raise JsonRESTError(
            "ValidationException",
            "The certificate validity exceeds seven days, the most of a SHORT_LIVED_CERTIFICATE authority.",
        )
    return end


def _signed(
    authority: CertificateAuthority,
    request: x509.CertificateSigningRequest,
    length: int | None,
    end: datetime.datetime,
    algorithm: Any,
) -> bytes:
    own = authority.certificate
    assert own is not None, "an active authority has a certificate"
    key: Any = request.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(own.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=length is not None, path_length=length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    signs = length is not None
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    # The names of a workload or an authority come from its request in these templates.
    for extension in request.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(authority.key, algorithm).public_bytes(Encoding.PEM)
