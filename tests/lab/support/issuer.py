"""The issuer of tokens: one identity provider for all regions, of which each region has a copy."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lab.tenant import ISSUER, OUTSIDE
from lab.tenant.manifests import HTTP
from lab.waiting import wait_for
from tests.lab.support.forward import forwarded
from tests.lab.support.site import Site

AUDIENCE = "exam-platform-api"
"""The audience that the stack's issuer `exam` asks for."""

Key = Mapping[str, str]
"""A private key as the issuer hands it on: `alg` and `pem`."""


@dataclass(frozen=True)
class Issuer:
    """The copy of one region, over a connection past the mesh."""

    client: httpx.Client

    def token(
        self,
        *,
        claims: Mapping[str, Any] | None = None,
        alg: str = "RS256",
        kid: str = "",
        expires_in: str = "1h",
        signature: str = "good",
    ) -> str:
        """A token that is right but for what is asked for otherwise.

        :param claims: laid over issuer, subject, audience and times; None takes one away.
        :param alg: ``RS256``, ``ES256``, ``HS256`` (keyed with the public RSA key) or ``none``.
        :param kid: of the key that signs; by default the newest. One that no key has only stands in the header.
        :param expires_in: in Go's notation; a negative one is over already.
        :param signature: ``good``, ``bad`` (altered), ``missing`` or ``foreign`` (by a key that was never published).
        """
        wanted = {"aud": AUDIENCE, **(claims or {})}
        body = {"claims": wanted, "alg": alg, "kid": kid, "expiresIn": expires_in, "signature": signature}
        return str(self._answer(self.client.post("/token", json=body))["token"])

    def published(self) -> list[str]:
        """Ids of the published keys, the one that signs first, of both algorithms alike."""
        return [str(key["kid"]) for key in self._answer(self.client.get("/.well-known/jwks.json"))["keys"]]

    def private_keys(self) -> list[Key]:
        """The private keys of what is published."""
        return list(self._answer(self.client.get("/keys"))["keys"])

    def publish(self, keys: Sequence[Key]) -> list[str]:
        """Publishes these keys in place of the present ones; the first of each algorithm signs. Gives their ids."""
        answer = self._answer(self.client.put("/keys", json={"keys": [dict(key) for key in keys]}))
        return [str(key["kid"]) for key in answer["keys"]]

    @staticmethod
    def _answer(response: httpx.Response) -> dict[str, Any]:
        assert response.status_code == 200, f"the issuer said {response.status_code}: {response.text}"
        return response.json()


def new_keys() -> list[Key]:
    """A key of each algorithm that nobody has seen."""
    made = {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
    }
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return [{"alg": algorithm, "pem": key.private_bytes(*plain).decode()} for algorithm, key in made.items()]


def together(*sets: Sequence[Key]) -> list[Key]:
    """Keys in this order, each once."""
    return list({key["pem"]: key for keys in sets for key in keys}.values())


@contextmanager
def issuers(sites: Mapping[str, Site]) -> Generator[Mapping[str, Issuer]]:
    """The issuer of each region, all with the keys of all.

    A copy goes on signing with its own keys, so that nobody's token is refused while proxies learn the others'.
    """
    with ExitStack() as stack:
        found = {
            name: Issuer(stack.enter_context(forwarded(site.kubectl, OUTSIDE, "deploy/issuer", HTTP)))
            for name, site in sites.items()
        }
        own = {name: issuer.private_keys() for name, issuer in found.items()}
        for name, issuer in found.items():
            issuer.publish(together(own[name], *own.values()))
        yield found


def known_keys(site: Site, namespace: str, workload: str, ids: Sequence[str]) -> set[str]:
    """Those of ``ids`` that the proxy of ``workload`` (``deploy/vault``) verifies the issuer's tokens with."""
    dump = site.istioctl.text("proxy-config", "listeners", workload, "-n", namespace, "--port", "15006", "-o", "json")
    assert ISSUER in dump, f"the proxy of {namespace}/{workload} in {site.name} verifies no token of {ISSUER}"
    return {kid for kid in ids if kid in dump}


def wait_until_known(
    site: Site, namespace: str, workload: str, ids: Sequence[str], *, gone: Sequence[str] = ()
) -> None:
    """Returns when the proxy verifies with all of ``ids`` and none of ``gone``."""
    wait_for(
        lambda: known_keys(site, namespace, workload, [*ids, *gone]) == set(ids),
        deadline=60,
        what=f"the keys of {namespace}/{workload} in {site.name}",
        interval=0.5,
    )
