"""Certificates as resources: made once by `pulumi up`, kept in the stack's state, never made in a preview.

Private keys are secret outputs, and stay secret in whatever is computed from them.

What makes a certificate new is an input that says so (`generation`, `hosts`, another issuer). A changed lifetime alone
does not: it holds for the next certificate, and `issued_lifetime` keeps what the present one was made with.
"""

from datetime import datetime, timedelta
from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, Resource, UpdateResult

from components.dynamic import Provider
from components.trust import certificates
from components.trust.certificates import KeyPair

Properties = dict[str, Any]

_RENEWED_IN_LAST = 3
"""A server's certificate is renewed by an `up` in the last third of its life, when cert-manager would renew it too."""


class _RootProvider(Provider):
    def create(self, props: Properties) -> CreateResult:
        pair = certificates.make_root(
            organization=props["organization"],
            common_name=props["common_name"],
            lifetime=_seconds(props),
            now=certificates.utc_now(),
        )
        return CreateResult(certificates.fingerprint(pair.certificate), {**props, **_made(pair, props)})

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        # A new root is a rotation of the mesh, never a side effect of an edited line.
        return DiffResult(changes=False)


class _SignedProvider(Provider):
    """What intermediates and server certificates share: signed by an issuer, renewed in place."""

    def make(self, issuer: KeyPair, props: Properties, now: datetime) -> KeyPair:
        raise NotImplementedError

    def due(self, olds: Properties, news: Properties) -> bool:
        raise NotImplementedError

    def create(self, props: Properties) -> CreateResult:
        outs = self._outputs(props)
        return CreateResult(certificates.fingerprint(outs["certificate"]), outs)

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        issuer = _news["issuer_certificate"]
        # In a preview the certificate of an issuer that is still to be made is unknown, and not a text.
        reissued = not isinstance(issuer, str) or certificates.fingerprint(issuer) != _olds["issuer_fingerprint"]
        return DiffResult(changes=reissued or self.due(_olds, _news))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        return UpdateResult(self._outputs(_news))

    def _outputs(self, props: Properties) -> Properties:
        issuer = KeyPair(props["issuer_certificate"], props["issuer_private_key"])
        pair = self.make(issuer, props, certificates.utc_now())
        # The issuer's key stays an input, which the state keeps as a secret; it is not repeated among the outputs.
        kept = {key: value for key, value in props.items() if key != "issuer_private_key"}
        return {**kept, **_made(pair, props), "issuer_fingerprint": certificates.fingerprint(issuer.certificate)}


class _IntermediateProvider(_SignedProvider):
    def check(self, _olds: Properties, news: Properties) -> CheckResult:
        return CheckResult(news, refused_generation(_olds, news))

    def due(self, olds: Properties, news: Properties) -> bool:
        return int(news["generation"]) > int(olds["generation"])

    def make(self, issuer: KeyPair, props: Properties, now: datetime) -> KeyPair:
        return certificates.make_intermediate(
            issuer,
            organization=props["organization"],
            common_name=f"{props['common_name']} (generation {int(props['generation'])})",
            lifetime=_seconds(props),
            now=now,
        )


class _ServerProvider(_SignedProvider):
    def due(self, olds: Properties, news: Properties) -> bool:
        if list(news["hosts"]) != list(olds["hosts"]):
            return True
        left = certificates.not_after(olds["certificate"]) - certificates.utc_now()
        return left < timedelta(seconds=float(olds["issued_lifetime"])) / _RENEWED_IN_LAST

    def make(self, issuer: KeyPair, props: Properties, now: datetime) -> KeyPair:
        return certificates.make_server(
            issuer,
            organization=props["organization"],
            hosts=[str(host) for host in props["hosts"]],
            lifetime=_seconds(props),
            now=now,
        )


def refused_generation(olds: Properties, news: Properties) -> list[CheckFailure]:
    """A failure where the generation of intermediates is lowered."""
    before, wanted = int(olds.get("generation", 0)), int(news["generation"])
    if wanted >= before:
        return []
    return [
        CheckFailure(
            "generation",
            f"istio-mesh:trust.intermediates.generation: {wanted} is below {before}, which is in use. "
            f"A former certificate cannot be had back. Write {before} to keep the present one, "
            f"{before + 1} for a new one.",
        )
    ]


def _seconds(props: Properties) -> timedelta:
    return timedelta(seconds=float(props["lifetime"]))


def _made(pair: KeyPair, props: Properties) -> Properties:
    return {
        "certificate": pair.certificate,
        "private_key": pair.private_key,
        "issued_lifetime": float(props["lifetime"]),
        "not_after": certificates.not_after(pair.certificate).isoformat(),
    }


class _Certificate(Resource):
    """What every certificate resource gives: its PEM, its key (secret) and when it ends."""

    certificate: pulumi.Output[str]
    """PEM."""

    private_key: pulumi.Output[str]
    """PEM, PKCS#8; secret."""

    issued_lifetime: pulumi.Output[float]
    """Seconds of validity with which the present certificate was made."""

    not_after: pulumi.Output[str]
    """End of its validity: ISO 8601, UTC."""

    def __init__(
        self,
        provider: Provider,
        name: str,
        inputs: dict[str, pulumi.Input[Any]],
        opts: pulumi.ResourceOptions | None,
    ) -> None:
        outputs = ("certificate", "private_key", "issued_lifetime", "not_after")
        secret = pulumi.ResourceOptions(additional_secret_outputs=["private_key", "issuer_private_key"])
        super().__init__(
            provider,
            name,
            {**inputs, **dict.fromkeys(outputs)},
            pulumi.ResourceOptions.merge(opts, secret),
        )


class RootCertificate(_Certificate, module="istio-mesh", name="RootCertificate"):
    """A self-signed authority, made once and never again: it is renewed by making another one beside it.

    `lifetime` is in seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        organization: str,
        common_name: str,
        lifetime: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"organization": organization, "common_name": common_name, "lifetime": lifetime}
        super().__init__(_RootProvider(), name, inputs, opts)


class IntermediateCertificate(_Certificate, module="istio-mesh", name="IntermediateCertificate"):
    """An authority below `issuer` for workload certificates; made anew, in place, when `generation` rises.

    It is made anew as well when `issuer` is another one. `lifetime` is in seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        issuer: RootCertificate,
        organization: str,
        common_name: str,
        lifetime: int,
        generation: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs: dict[str, pulumi.Input[Any]] = {
            "issuer_certificate": issuer.certificate,
            "issuer_private_key": issuer.private_key,
            "organization": organization,
            "common_name": common_name,
            "lifetime": lifetime,
            "generation": generation,
        }
        super().__init__(_IntermediateProvider(), name, inputs, opts)


class ServerCertificate(_Certificate, module="istio-mesh", name="ServerCertificate"):
    """A TLS server's certificate for `hosts`; made anew, in place, in the last third of its life or for other hosts.

    `lifetime` is in seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        issuer: RootCertificate,
        organization: str,
        hosts: list[str],
        lifetime: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs: dict[str, pulumi.Input[Any]] = {
            "issuer_certificate": issuer.certificate,
            "issuer_private_key": issuer.private_key,
            "organization": organization,
            "hosts": hosts,
            "lifetime": lifetime,
        }
        super().__init__(_ServerProvider(), name, inputs, opts)
