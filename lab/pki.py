"""A region's own authorities and certificates: for Kubernetes, for etcd and for
servers that extend the API server; made anew with the region.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.regions import Region

LIFETIME = datetime.timedelta(days=365)
"""Of every certificate of a region, as kubeadm has it; a region is not meant to live as long."""

CLOCK_SKEW = datetime.timedelta(minutes=5)
"""A certificate is valid from a little before it was made, so that no clock refuses it for being early."""

USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


def write_private(path: Path, data: bytes | str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    content = data.encode() if isinstance(data, str) else data
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files of PEM."""

    certificate: Path
    key: Path


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _name(common_name: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Authority:
    """A certificate authority that writes what it issues into a directory.

    Attributes:
        certificate: Its own certificate's file.
    """

    def __init__(self, directory: Path, file: str, common_name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        self._certificate = (
            self._builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = directory / f"{file}.crt"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        # The controller manager signs certificate requests with it.
        self.key = directory / f"{file}.key"
        write_private(self.key, _key_pem(self._key))

    @staticmethod
    def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + LIFETIME)
        )

    def issue(
        self, file: str, common_name: str, organization: str = "", names: Sequence[str | IPv4Address] = ()
    ) -> Pair:
        """Issue a certificate for clients, and for servers where it has names to be reached by.

        Args:
            file: Name of its files, without ending.
            common_name: The user, to Kubernetes.
            organization: The group, to Kubernetes.
            names: Host names and addresses of a server.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(_name(common_name, organization), self._certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(USAGES if names else USAGES[1:]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            alternatives = [
                x509.IPAddress(name) if isinstance(name, IPv4Address) else x509.DNSName(name) for name in names
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pair = Pair(self._directory / f"{file}.crt", self._directory / f"{file}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private(pair.key, _key_pem(key))
        return pair


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


LOCALHOST = IPv4Address("127.0.0.1")

USERS = {
    "admin": ("lab-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "coredns": ("system:coredns", ""),
    "metallb-controller": ("system:metallb-controller", ""),
}
"""Who has a kubeconfig of its own: file, then user and group. The API server knows the first four by these names."""


@dataclass(frozen=True)
class RegionPki:
    """The files of a region's authorities and certificates."""

    directory: Path

    def pair(self, name: str) -> Pair:
        """The files of one certificate."""
        return Pair(self.directory / f"{name}.crt", self.directory / f"{name}.key")

    @property
    def authority(self) -> Pair:
        """The authority of Kubernetes."""
        return self.pair("ca")

    @property
    def etcd_authority(self) -> Pair:
        """The authority of etcd, whom nobody but the API server has a certificate of."""
        return self.pair("etcd-ca")

    @property
    def front_proxy_authority(self) -> Pair:
        """The authority by which the API server speaks for its callers to servers that extend it."""
        return self.pair("front-proxy-ca")

    @property
    def service_account(self) -> Pair:
        """The key that signs tokens of service accounts, and its public half."""
        return Pair(self.directory / "service-account.pub", self.directory / "service-account.key")


def create(region: Region, directory: Path) -> RegionPki:
    """Make all authorities, certificates and keys of a region."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki = RegionPki(directory)
    authority = Authority(directory, "ca", f"{region.name}-kubernetes")
    api_server_names = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    authority.issue(
        "kube-apiserver",
        "kube-apiserver",
        names=(*api_server_names, "localhost", LOCALHOST, region.node_address, region.kubernetes_address),
    )
    authority.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
    authority.issue(
        "kubelet",
        f"system:node:{region.node_name}",
        "system:nodes",
        names=(region.node_name, region.node_address, LOCALHOST),
    )
    for file, (user, group) in USERS.items():
        authority.issue(file, user, group)
    etcd = Authority(directory, "etcd-ca", f"{region.name}-etcd")
    etcd.issue("etcd", "etcd", names=("localhost", LOCALHOST))
    etcd.issue("apiserver-etcd-client", "kube-apiserver-etcd-client")
    front_proxy = Authority(directory, "front-proxy-ca", f"{region.name}-front-proxy")
    front_proxy.issue("front-proxy-client", "front-proxy-client")
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(pki.service_account.key, _key_pem(key))
    pki.service_account.certificate.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return pki
