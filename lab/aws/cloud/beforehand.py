"""What is in an account before a stack: what the stack's file names and does not make."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.aws.cloud.backends import ACCOUNT, backend


def roles(names: Iterable[str]) -> Any:
    """Principals: each is a role that its own account may assume."""
    iam = backend("iam", "aws")
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    for name in names:
        iam.create_role(name, document, "/", None, "before the stack", [], 3600)
    return {}


def boundary(arn: str) -> Any:
    """A policy that bounds roles."""
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    backend("iam", "aws").create_policy("bounds roles", "/", document, arn.rpartition("/")[2], {})
    return {}


def zone(name: str, id: str) -> Any:
    """A hosted zone, by the id that the stack names."""
    route53 = backend("route53", "aws")
    found = route53.create_hosted_zone(name, private_zone=False, caller_reference=str(uuid.uuid4()))
    del route53.zones[found.resource_id]
    found.resource_id = id
    route53.zones[found.resource_id] = found
    return {"id": found.resource_id}


def vpc(region: str, id: str, cidr: str, tables: Iterable[str]) -> Any:
    """A VPC with route tables, by the ids that the stack names."""
    ec2 = backend("ec2", region)
    with patch("moto.ec2.models.vpcs.random_vpc_id", lambda: id):
        ec2.create_vpc(cidr)
    for each in tables:
        with patch("moto.ec2.models.route_tables.random_route_table_id", lambda each=each: each):
            ec2.create_route_table(id)
    return {}


def authority(arn: str, key: str, mode: str = "GENERAL_PURPOSE", days: int = 3650) -> Any:
    """An active root of AWS Private CA, by the ARN that the stack names; its certificate.

    Args:
        arn: The ARN.
        key: `EC` or `RSA`.
        mode: What it is for.
        days: For how long it is valid.
    """
    region = arn.split(":")[3]
    acm = backend("acm-pca", region)
    algorithms = ("EC_prime256v1", "SHA256WITHECDSA") if key == "EC" else ("RSA_2048", "SHA256WITHRSA")
    configuration = {
        "KeyAlgorithm": algorithms[0],
        "SigningAlgorithm": algorithms[1],
        "Subject": {"CommonName": "rehearsal root"},
    }
    made = acm.create_certificate_authority(configuration, {}, "ROOT", None, [])
    found = acm.certificate_authorities.pop(made)
    found.arn, found.id, found.usage_mode, found.status = arn, arn.rpartition("/")[2], mode, "ACTIVE"
    acm.certificate_authorities[arn] = found
    if key == "EC":
        # moto knows authorities with keys of RSA alone.
        found.private_bytes = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(found.password),
        )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehearsal root")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(found.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(found.key.public_key()), critical=False)
        .sign(found.key, hashes.SHA256())
    )
    found.certificate_bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return {"certificate": found.certificate_bytes.decode()}


ORDERS: dict[str, Callable[..., Any]] = {
    "roles": roles,
    "boundary": boundary,
    "zone": zone,
    "vpc": vpc,
    "authority": authority,
}
"""By the name of the order."""
