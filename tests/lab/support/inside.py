"""Requests into the mesh with an identity of choice, past any caller's own proxy.

A certificate of the mesh's own authority, presented at a region's east-west gateway as another region's proxy does: the
callee's proxy alone judges, and the path arrives as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.support.certificates import Authority, parse_bundle
from tests.lab.support.site import SYSTEM, Site
from tests.lab.support.tls import Knock, knock

PORT = 15443
MESH = "istio"  # the protocol that a sidecar offers for mutual TLS of the mesh


@dataclass(frozen=True)
class Insider:
    """A way into one region.

    :ivar address: of its east-west gateway.
    :ivar roots: what servers are verified with.
    :ivar certificate: file with key and chain.
    """

    address: str
    roots: bytes
    certificate: Path

    def get(
        self, host: str, path: str = "/", *, headers: Mapping[str, str] | None = None, listen: float = 0.0
    ) -> Knock:
        """One request to port 8080 of a service.

        :param listen: seconds to listen for a refusal of the certificate before the request is sent.
        """
        return knock(
            self.address, PORT, sni=f"outbound_.8080_._.{host}", host=host, path=path, headers=headers,
            trusted=self.roots, client=self.certificate, listen=listen, alpn=MESH,
        )  # fmt: skip


@dataclass(frozen=True)
class Entrance:
    """A region's east-west gateway, and the authority of one that signs certificates for it.

    :ivar folder: where keys and certificates are put.
    """

    address: str
    roots: bytes
    authority: Authority
    folder: Path

    @classmethod
    def of(cls, site: Site, issuer: Site, folder: Path) -> Entrance:
        """Into ``site``, with certificates as the istiod of ``issuer`` would sign them."""
        cacerts = issuer.kubectl.secret(SYSTEM, "cacerts")
        authority = Authority.load(cacerts["ca-key.pem"], parse_bundle(cacerts["ca-cert.pem"]))
        return cls(site.east_west_address(), cacerts["root-cert.pem"], authority, folder)

    def insider(self, spiffe: str) -> Insider:
        """With a certificate for this identity."""
        name = f"{self.address}-{spiffe.removeprefix('spiffe://').replace('/', '_')}.pem"
        return Insider(self.address, self.roots, self.authority.client(spiffe, self.folder / name))
