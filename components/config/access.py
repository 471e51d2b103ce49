"""Who may call a service: tokens, roles, open paths; and `istio-mesh:issuers`, who signs the tokens.

Which workloads may call it at all is `callers` of the service.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from components.config.defaults import PUBLIC_PATHS, ROLES_CLAIM
from components.config.faults import Fault, invalid
from components.config.jwks import JwksConfig
from components.config.model import Model, exactly_one
from components.config.names import CLUSTER_DOMAIN, PathPattern, path_covers
from components.config.values import DnsLabel


def _issuer(value: str) -> str:
    if not value or "*" in value or any(c.isspace() for c in value):
        raise invalid(
            f"`{value}` is not an issuer" if value else "it is empty",
            "No token has it as its claim `iss`",
            "Write the claim to the letter, as in `https://auth.exam-platform.com`",
        )
    return value


def _jwks_uri(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("https", "http") or not url.hostname or url.username or url.fragment:
        raise invalid(
            f"`{value}` is not the address of a key set",
            "istiod could not fetch the keys, and every token would be refused",
            "Write it as in `https://auth.exam-platform.com/.well-known/jwks.json`",
        )
    if url.scheme == "http" and not url.hostname.endswith((".svc", f".svc.{CLUSTER_DOMAIN}")):
        raise invalid(
            f"`{value}` is fetched in plain text",
            "Whoever is on the way can put keys of their own in, and sign tokens of any role",
            "Use https",
        )
    return value


def _claim(value: str) -> str:
    if not all(re.fullmatch(r"[^\s.\[\]*]+", part) for part in value.split(".")):
        raise invalid(
            f"`{value}` is not the name of a claim",
            "No token has it, and nobody would have a role",
            "Write it as in `roles`, or nested as in `realm_access.roles`",
        )
    return value


def _text(value: str) -> str:
    if not value.strip() or "*" in value:
        raise invalid(
            f"`{value}` is not a name" if value.strip() else "it is empty",
            "A `*` would be anything at all",
            "Write the value to the letter",
        )
    return value


Audience = Annotated[str, AfterValidator(_text)]
RoleName = Annotated[str, AfterValidator(_text)]


def _access_path(value: str) -> str:
    base = value.removesuffix("/*")
    consequence = "It would not be the path that is compared, and the rule would not hold"
    if re.search(r"[%;]", base):
        raise invalid(
            f"`{value}` is not as the server sees it",
            consequence,
            "Write it decoded and without parameters, as in `/admin`",
        )
    if base.endswith("/") and value != "/":
        raise invalid(
            f"`{value}` ends with a slash",
            "The same path without it would not be covered",
            f"Write `{base.rstrip('/')}/*`, which covers `{base.rstrip('/')}`, `{base}` and all below",
        )
    return value


AccessPath = Annotated[PathPattern, AfterValidator(_access_path)]
"""A path, or with `/*` at its end the path and all below it, as proxies normalise it before they compare."""


class IssuerConfig(Model):
    """Somebody who signs tokens (JWT), and how their signature is verified: exactly one of `jwksUri` and `jwks`."""

    issuer: Annotated[str, AfterValidator(_issuer), Field(examples=["https://auth.exam-platform.com"])]
    """Claim `iss` of the tokens, to the letter."""

    jwks_uri: Annotated[str, AfterValidator(_jwks_uri)] | None = None
    """Where the keys are: istiod fetches them, from outside the mesh, and again in `mesh.istiod.tuning.jwksRefresh`.

    Publish a key that long ahead of its first token, and a minute more: connections between proxies keep the keys with
    which they began until they are drained, 45 s later."""

    jwks: JwksConfig | None = None
    """The keys themselves. A new one of the issuer's has to be added here before it signs."""

    audiences: Annotated[tuple[Audience, ...], Field(min_length=1, examples=[["exam-platform-api"]])]
    """Claims `aud` of which a token has to have one, so that a token for another platform is worth nothing here."""

    roles_claim: Annotated[str, AfterValidator(_claim)] = ROLES_CLAIM
    """Claim with the roles, a text or a list; nested as in `realm_access.roles`; default `roles`."""

    forward_token: bool = False
    """Whether the application gets the token too; default false: what it does not have it cannot lose."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "jwksUri",
            "jwks",
            why="No signature could be verified, or it would not be clear by which keys",
            cure="Keep one source of keys",
        )


IssuersConfig = dict[DnsLabel, IssuerConfig]
"""Issuers of tokens, by the name that services use for them."""


def access_references(
    access: Mapping[str, "AccessConfig | None"],
    issuers: Mapping[str, IssuerConfig],
    hosts: Collection[str],
    *,
    known: Collection[str],
) -> Iterator[Fault]:
    """Faults between services and issuers, relative to the stack (`services`, `issuers`).

    `access` is that of every service, by its name; `hosts` are the names in DNS of the services that the mesh has;
    `known` are the names of all issuers, those with a fault among them.
    """
    used: set[str] = set()
    for service, config in access.items():
        if config is None or config.jwt is None:
            continue
        used |= set(config.jwt.issuers)
        for index, name in enumerate(config.jwt.issuers):
            if name not in known:
                names = ", ".join(f"`{issuer}`" for issuer in known)
                yield Fault(
                    f"there is no issuer `{name}`",
                    "No token could be verified, and every request would be refused",
                    f"Known here: {names}" if names else f"Add it, as `istio-mesh:issuers.{name}`",
                    ("services", service, "access", "jwt", "issuers", index),
                )
    for name, issuer in issuers.items():
        if name not in used:
            yield Fault(
                "no service asks for its tokens",
                "It protects nothing, and whoever reads it thinks that it does",
                f"Add `access: {{jwt: {{issuers: [{name}]}}}}` to a service, or take it out",
                ("issuers", name),
            )
        host = urlsplit(issuer.jwks_uri or "").hostname
        if host is not None and host in hosts:
            yield Fault(
                f"`{host}` is a service of the mesh",
                "istiod, which is not in the mesh, fetches the keys in plain text, and the service takes mutual TLS "
                "alone: every token would be refused",
                "Let the issuer publish its keys outside the mesh, or give them as `jwks`",
                ("issuers", name, "jwksUri"),
            )


def issuers_faults(issuers: Mapping[str, IssuerConfig]) -> Iterator[Fault]:
    """Faults between issuers, relative to `istio-mesh:issuers`."""
    seen: dict[str, str] = {}
    for name, config in issuers.items():
        if config.issuer in seen:
            yield Fault(
                f"`{config.issuer}` is the issuer `{seen[config.issuer]}` already",
                "Envoy would take the keys of one of the two",
                "Keep one of them",
                (name, "issuer"),
            )
        seen.setdefault(config.issuer, name)


class JwtConfig(Model):
    """A request needs a token of one of these issuers, except on public paths.

    On ports that are not HTTP declared callers need none: connections have no place for it.
    """

    issuers: Annotated[tuple[DnsLabel, ...], Field(min_length=1, examples=[["exam"]])]
    """Names of `istio-mesh:issuers`."""

    audiences: Annotated[tuple[Audience, ...], Field(min_length=1)] | None = None
    """Claims `aud` of which a token has to have one; default: those of its issuer."""

    def faults(self) -> Iterator[Fault]:
        for index, name in enumerate(self.issuers):
            if name in self.issuers[:index]:
                yield Fault(f"`{name}` is named twice", "One of them is a mistake", "Name it once", ("issuers", index))


class AccessConfig(Model):
    """What a caller has to show. Only declared callers reach the service at all, whatever they show."""

    jwt: JwtConfig | None = None
    """The tokens that it asks for; default: none."""

    roles: dict[RoleName, Annotated[tuple[AccessPath, ...], Field(min_length=1)]] = Field(default={})
    """Paths that need a role, by role; default: none. Of two paths the narrower one counts; one of several roles is
    open to each."""

    public: tuple[AccessPath, ...] = PUBLIC_PATHS
    """Paths that need neither token nor declared caller, from inside the mesh; default `/health` and `/metrics`."""

    def faults(self) -> Iterator[Fault]:
        yield from self._twice(self.public, ("public",))
        for role, paths in self.roles.items():
            # A path that another role has too is taken from the wider one unless it is said.
            others = {path for other, theirs in self.roles.items() if other != role for path in theirs}
            yield from self._twice(paths, ("roles", role), meant=others)
        if self.roles and self.jwt is None:
            yield Fault(
                "there are roles and no issuer",
                "Roles are read from tokens: nobody would have one, and their paths would be closed to all",
                "Add `jwt` with the issuers of the tokens",
                ("roles",),
            )
        everything = next((index for index, path in enumerate(self.public) if path == "/*"), None)
        if everything is not None and self.jwt is not None:
            yield Fault(
                "every path is public, and `jwt` protects nothing",
                "A request without a token would be answered wherever it goes",
                "Name the paths that are public, or take `jwt` out",
                ("public", everything),
            )
            return
        for index, path in enumerate(self.public):
            for role, paths in self.roles.items():
                yield from (
                    Fault(
                        f"`{path}` covers `{closed}`, which needs the role `{role}`",
                        "It would be open to everybody in the mesh",
                        "Take one of the two out",
                        ("public", index),
                    )
                    for closed in paths
                    if path_covers(path, closed)
                )

    @staticmethod
    def _twice(paths: tuple[str, ...], where: tuple[str, ...], meant: Collection[str] = ()) -> Iterator[Fault]:
        for index, path in enumerate(paths):
            wider = next((i for i, other in enumerate(paths) if i != index and path_covers(other, path)), None)
            # Of two equal ones the later is told.
            if wider is not None and (wider < index if paths[wider] == path else path not in meant):
                yield Fault(
                    f"`{path}` is covered by `{paths[wider]}`", "One of them is a mistake", "Keep one", (*where, index)
                )
