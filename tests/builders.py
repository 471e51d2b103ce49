"""Minimal valid configurations, as a stack file would have them: each test changes what it is about.

Values are plain dicts of the YAML's shape; `stack_config` and its like give the models.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from components.config import StackConfig
from components.config.loading import check

Yaml = dict[str, Any]


def write_kubeconfig(
    folder: Path, *contexts: str, file: str = "kubeconfig", server: str = "https://192.0.2.{n}:6443"
) -> Path:
    """A kubeconfig with these contexts (the first is the current one), each a cluster at an address of its own."""
    names = contexts or ("use1", "usw2")
    ca = _base64(authority("API servers").certificate)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": names[0],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        "clusters": [
            {"name": name, "cluster": {"server": server.format(n=n), "certificate-authority-data": ca}}
            for n, name in enumerate(names, 1)
        ],
        "users": [{"name": name, "user": {"token": f"secret-token-of-{name}"}} for name in names],
    }
    path = folder / file
    path.write_text(yaml.safe_dump(document))
    return path


def cluster(name: str = "use1", *, kubeconfig: Path, **changes: Any) -> Yaml:
    """One existing cluster, whose context has its name."""
    return {"name": name, "region": name, "existing": {"kubeconfig": str(kubeconfig), "context": name}, **changes}


def host_of(length: int) -> str:
    """A host name of so many characters, in labels as long as they may be."""
    labels = ["a" * 63] * (length // 64)
    rest = length - 64 * len(labels)
    return ".".join([*(["a" * rest] if rest else []), *labels])


def stack(folder: Path, clusters: Sequence[str] = ("use1", "usw2"), **changes: Any) -> Yaml:
    """The smallest valid stack of these clusters, by the keys of its namespace. `changes` replaces whole values."""
    kubeconfig = write_kubeconfig(folder, *clusters)
    return {
        "clusters": [cluster(name, kubeconfig=kubeconfig) for name in clusters],
        "trust": {"trustDomain": "exam-platform.local"},
        "mesh": {"id": "exam"},
        "gateways": {
            "ingress": {"servers": [{"hosts": ["exam-platform.com"], "tls": {"existingSecret": "exam-platform-tls"}}]}
        },
        **changes,
    }


def stack_config(folder: Path, clusters: Sequence[str] = ("use1", "usw2"), **changes: Any) -> StackConfig:
    """The model of `stack`; an assertion names its faults."""
    config, faults = check(stack(folder, clusters, **changes))
    assert config is not None, [str(fault) for fault in faults]
    return config


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str


def authority(
    name: str = "Root",
    *,
    issuer: Pair | None = None,
    path_length: int | None = None,
    begin: timedelta = timedelta(days=-1),
    lifetime: timedelta = timedelta(days=3650),
    ca: bool = True,
    key_cert_sign: bool = True,
    hosts: Sequence[str] = (),
) -> Pair:
    """A certificate of its own key, signed by `issuer` or by itself; made anew only for new arguments."""
    return _authority(name, issuer, path_length, begin, lifetime, ca, key_cert_sign, tuple(hosts))


def intermediate(name: str, root: Pair, **changes: Any) -> Pair:
    """An intermediate as istiod wants it, signed by `root`."""
    return authority(name, issuer=root, **{"path_length": 0, "lifetime": timedelta(days=730), **changes})


def provided(root: Pair, **intermediates: Pair) -> Yaml:
    """`trust` with a provided root and these intermediates by cluster name."""
    return {
        "trustDomain": "exam-platform.local",
        "root": {
            "provided": {
                "certificate": root.certificate,
                "intermediates": {
                    name: {"certificate": pair.certificate, "privateKey": pair.key}
                    for name, pair in intermediates.items()
                },
            }
        },
    }


@cache
def _authority(
    name: str,
    issuer: Pair | None,
    path_length: int | None,
    begin: timedelta,
    lifetime: timedelta,
    ca: bool,
    key_cert_sign: bool,
    hosts: tuple[str, ...],
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    if issuer is None:
        signer, issuer_name = key, subject
    else:
        loaded = load_key(issuer)
        signer, issuer_name = loaded, x509.load_pem_x509_certificate(issuer.certificate.encode()).subject
    start = datetime.now(UTC) + begin
    builder = (
        x509.CertificateBuilder(issuer_name, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lifetime)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not ca, key_cert_sign=key_cert_sign, crl_sign=ca, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Pair(certificate.public_bytes(Encoding.PEM).decode(), pem)


def sign_request(request: str, issuer: Pair, *, days: int) -> str:
    """The certificate of an authority for workloads, as AWS Private CA makes it of a request."""
    asked = x509.load_pem_x509_csr(request.encode())
    begin = datetime.now(UTC) - timedelta(minutes=1)
    builder = (
        x509.CertificateBuilder(
            x509.load_pem_x509_certificate(issuer.certificate.encode()).subject,
            asked.subject,
            asked.public_key(),
            x509.random_serial_number(),
        )
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    return builder.sign(load_key(issuer), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def load_key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pair.key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ABSENT = object()
"""Given to `put`: takes the key out."""


def put(values: Yaml, path: str, value: Any) -> Yaml:
    """Sets what stands at a dotted path of a parsed stack file (`clusters.0.region`), making maps on the way."""
    *way, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    here: Any = values
    for step in way:
        here = here[step] if isinstance(step, int) else here.setdefault(step, {})
    if value is ABSENT:
        del here[last]
    elif isinstance(last, int) and last == len(here):
        here.append(value)
    else:
        here[last] = value
    return values


def faults_of(folder: Path, changes: dict[str, Any], clusters: Sequence[str] = ("use1", "usw2")) -> list[str]:
    """The faults of the minimal stack with these changes, one line each, with the folder's name as `FOLDER`."""
    values = stack(folder, clusters)
    for path, value in changes.items():
        put(values, path, value)
    return [str(fault).replace(str(folder), "FOLDER") for fault in check(values)[1]]


def with_secrets(values: Yaml) -> Yaml:
    """A stack with real certificates and keys for those that its file leaves out."""
    values = json.loads(json.dumps(values))
    for place, key in ((values["trust"], "root"), (values["trust"].get("rotation", {}), "next")):
        if "provided" in place.get(key, {}):
            root, names = authority(key), place[key]["provided"]["intermediates"]
            made = {name: authority(name, issuer=root, path_length=0) for name in names}
            place[key] = provided(root, **made)["root"]
    for server in values["gateways"]["ingress"]["servers"]:
        if "certificate" in server["tls"]:
            pair = authority("server", ca=False, hosts=server["hosts"])
            server["tls"] = {"certificate": pair.certificate, "privateKey": pair.key}
    return values
