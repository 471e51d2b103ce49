"""AWS Private CA: what it signs, and what it refuses."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from lab.aws.cloud.backends import backend
from lab.aws.plugin.clients import Aws
from tests.lab_aws.provider import Made, Refused
from tests.lab_aws.world import World

CERTIFICATE = "aws:acmpca/certificate:Certificate"
TEMPLATE = "arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen0/V1"


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def authority(*, active: bool = True, mode: str = "GENERAL_PURPOSE", days: int = 3650) -> str:
    """An authority that is there before the stack, with its root; its ARN."""
    client = Aws("us-east-1", "").client("acm-pca")
    arn = client.create_certificate_authority(
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": "RSA_2048",
            "SigningAlgorithm": "SHA256WITHRSA",
            "Subject": {"CommonName": "exam root"},
        },
        CertificateAuthorityType="ROOT",
    )["CertificateAuthorityArn"]
    found = backend("acm-pca", "us-east-1").certificate_authorities[arn]
    found.usage_mode = mode
    if active:
        now = datetime.datetime.now(datetime.UTC)
        key: rsa.RSAPrivateKey = found.key
        root = (
            x509.CertificateBuilder()
            .subject_name(name("exam root"))
            .issuer_name(name("exam root"))
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = root.public_bytes(serialization.Encoding.PEM)
        client.import_certificate_authority_certificate(CertificateAuthorityArn=arn, Certificate=pem)
    return arn


def request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("Intermediate of use1"))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def issued(world: World, arn: str, **others: Any) -> Made:
    inputs = {
        "certificateAuthorityArn": arn,
        "certificateSigningRequest": request(),
        "signingAlgorithm": "SHA256WITHRSA",
        "templateArn": TEMPLATE,
        "validity": {"type": "DAYS", "value": "730"},
        **others,
    }
    return world.east.make(CERTIFICATE, **inputs)


def test_an_intermediate_is_signed_as_the_template_says(world: World) -> None:
    made = issued(world, authority())
    signed = x509.load_pem_x509_certificate(made["certificate"].encode())
    root = x509.load_pem_x509_certificate(made["certificateChain"].encode())
    signed.verify_directly_issued_by(root)
    constraints = signed.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    left = signed.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=729) < left < datetime.timedelta(days=731)
    assert world.east.read(made) == made.outputs
    world.east.delete(made)
    world.east.delete(made)


@pytest.mark.parametrize(
    ("how", "others", "message"),
    [
        ({"active": False}, {}, "is not in the correct state"),
        ({}, {"templateArn": "arn:aws:acm-pca:::template/Moon/V1"}, "The template Moon/V1 does not exist"),
        ({}, {"signingAlgorithm": "SHA256WITHECDSA"}, "SHA256WITHECDSA does not go with the authority's RSA key"),
        ({}, {"certificateSigningRequest": "none"}, "The certificate signing request is invalid"),
        ({"days": 365}, {}, "The certificate validity specified exceeds the certificate authority validity."),
        ({"mode": "SHORT_LIVED_CERTIFICATE"}, {}, "The certificate validity exceeds seven days"),
        ({}, {"validity": {"type": "WEEKS", "value": "2"}}, "is WEEKS, and has to be one of DAYS, MONTHS, YEARS"),
    ],
)
def test_is_refused(world: World, how: dict[str, Any], others: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused) as refused:
        issued(world, authority(**how), **others)
    assert message in str(refused.value)
