"""The mesh's authorities: the shared root, and one intermediate for each cluster, which signs its workloads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pulumi

from components.config.trust import GeneratedRoot, PrivateCaConfig, ProvidedRoot, TrustConfig
from components.config.values import Duration
from components.naming import child, type_token
from components.trust import certificates
from components.trust.generated import IntermediateCertificate, RootCertificate
from components.trust.roots import RootBundle


@dataclass(frozen=True)
class Intermediate:
    """What one cluster's istiod signs with, all PEM."""

    certificate: pulumi.Output[str]
    """Of the authority itself."""

    private_key: pulumi.Output[str]
    """Its key; secret."""

    chain: pulumi.Output[str]
    """What a workload shows between its own certificate and the root, which the receiver has: the authority, and those
    that stand between it and the root."""

    root_certificates: pulumi.Output[str]
    """The roots that this cluster's workloads trust."""

    not_after: pulumi.Output[str]
    """End of its validity: ISO 8601, UTC."""


class Authorities(pulumi.ComponentResource):
    """Makes the root and the intermediates, or takes provided ones; warns of an intermediate's end in time.

    A rotation of the root puts a second root beside the first: `roots` is a list in which each new one is appended,
    because istiod takes a new bundle only when the old one is a part of it, and the intermediates follow by being
    signed by another member of it, which renews them in place. The roots are therefore numbered in their names.
    """

    root_certificates: pulumi.Output[str]
    """The roots that the mesh trusts: a PEM bundle, in order, append only."""

    intermediates: Mapping[str, Intermediate]
    """By cluster name."""

    def __init__(
        self,
        name: str,
        config: TrustConfig,
        *,
        clusters: Sequence[str],
        account: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`account`: that of AWS in which the stack makes its clusters, where it does."""
        super().__init__(type_token("trust", "Authorities"), name, None, opts)
        if config.root.private_ca is not None:
            self._have_signed(name, config, config.root.private_ca, clusters, account)
        elif config.root.provided is not None:
            self._provide(name, config, config.root.provided, clusters)
        else:
            self._generate(name, config, config.root.generated or GeneratedRoot(), clusters)
        self.register_outputs({"rootCertificates": self.root_certificates})

    def _generate(self, name: str, config: TrustConfig, root: GeneratedRoot, clusters: Sequence[str]) -> None:
        children = pulumi.ResourceOptions(parent=self)
        first = RootCertificate(
            child(name, "root-1"),
            organization=config.trust_domain,
            common_name="Root CA 1",
            lifetime=root.lifetime.seconds,
            opts=children,
        )
        roots = [first]
        signer = first
        bundle = pulumi.Output.all(*(root.certificate for root in roots)).apply(certificates.bundle)
        self.root_certificates = RootBundle(child(name, "roots"), bundle=bundle, opts=children).bundle
        intermediates: dict[str, Intermediate] = {}
        for cluster in clusters:
            made = IntermediateCertificate(
                child(name, f"intermediate-{cluster}"),
                issuer=signer,
                organization=config.trust_domain,
                common_name=f"Intermediate CA {cluster}",
                lifetime=config.intermediates.lifetime.seconds,
                generation=config.intermediates.generation,
                opts=children,
            )
            intermediates[cluster] = Intermediate(
                made.certificate, made.private_key, made.certificate, self.root_certificates, made.not_after
            )
            self._warn_of_end(cluster, config, made.not_after, signer.not_after)
            self._warn_of_lifetime(cluster, config, made.issued_lifetime)
        self._warn_of_root_end(config, signer.not_after)
        self.intermediates = intermediates

    def _have_signed(
        self, name: str, config: TrustConfig, root: PrivateCaConfig, clusters: Sequence[str], account: str | None
    ) -> None:
        # Not above: other roots need nothing of AWS.
        from components.trust.private_ca import PrivateCa

        authority = PrivateCa(
            child(name, "private-ca"), root, account=account, opts=pulumi.ResourceOptions(parent=self)
        )
        signed = {
            cluster: authority.sign(
                child(name, f"intermediate-{cluster}"),
                organization=config.trust_domain,
                common_name=f"Intermediate CA {cluster}",
                config=config.intermediates,
            )
            for cluster in clusters
        }
        # One authority signs them all: the chain of each ends in the same root.
        root_certificate = next(iter(signed.values())).root
        self.root_certificates = RootBundle(
            child(name, "roots"), bundle=root_certificate, opts=pulumi.ResourceOptions(parent=self)
        ).bundle
        root_end = root_certificate.apply(_end)
        intermediates: dict[str, Intermediate] = {}
        for cluster, made in signed.items():
            end = made.certificate.apply(_end)
            intermediates[cluster] = Intermediate(
                made.certificate, made.private_key, made.chain, self.root_certificates, end
            )
            self._warn_of_end(cluster, config, end, root_end)
            self._warn_of_lifetime(cluster, config, made.issued_lifetime)
        self._warn_of_root_end(config, root_end)
        self.intermediates = intermediates

    def _provide(self, name: str, config: TrustConfig, root: ProvidedRoot, clusters: Sequence[str]) -> None:
        self.root_certificates = RootBundle(
            child(name, "roots"),
            bundle=certificates.bundle([root.certificate.pem]),
            opts=pulumi.ResourceOptions(parent=self),
        ).bundle
        root_end = pulumi.Output.from_input(root.certificate.not_after.isoformat())
        self._warn_of_root_end(config, root_end)
        intermediates: dict[str, Intermediate] = {}
        for cluster in clusters:
            given = root.intermediates[cluster]
            certificate = pulumi.Output.from_input(given.certificate.pem)
            not_after = pulumi.Output.from_input(given.certificate.not_after.isoformat())
            key = pulumi.Output.secret(given.private_key.get_secret_value())
            intermediates[cluster] = Intermediate(certificate, key, certificate, self.root_certificates, not_after)
            self._warn_of_end(cluster, config, not_after, root_end)
        self.intermediates = intermediates

    def _warn_of_end(
        self, cluster: str, config: TrustConfig, not_after: pulumi.Output[str], root_end: pulumi.Output[str]
    ) -> None:
        def warn(ends: Sequence[str]) -> None:
            end, of_root = (datetime.fromisoformat(text) for text in ends)
            text = end_warning(cluster, config, end=end, root_end=of_root, now=datetime.now(UTC))
            if text:
                pulumi.log.warn(text, resource=self)

        pulumi.Output.all(not_after, root_end).apply(warn)

    def _warn_of_root_end(self, config: TrustConfig, root_end: pulumi.Output[str]) -> None:
        def warn(end: str) -> None:
            text = root_end_warning(config, end=datetime.fromisoformat(end), now=datetime.now(UTC))
            if text:
                pulumi.log.warn(text, resource=self)

        root_end.apply(warn)

    def _warn_of_lifetime(self, cluster: str, config: TrustConfig, issued: pulumi.Output[float]) -> None:
        def warn(seconds: float) -> None:
            text = lifetime_warning(cluster, config, issued=Duration(round(seconds)))
            if text:
                pulumi.log.warn(text, resource=self)

        issued.apply(warn)


def _end(certificate: str) -> str:
    return certificates.not_after(certificate).isoformat()


def end_warning(cluster: str, config: TrustConfig, *, end: datetime, root_end: datetime, now: datetime) -> str | None:
    """What to say of an intermediate that ends on `end`; None while that is further off than `warnBefore`.

    None as well when the root ends no later: a renewed intermediate would end with it, and `root_end_warning` tells.
    """
    when = _when(config, end=end, now=now)
    if when is None or root_end <= end:
        return None
    if config.root.provided is not None:
        cure = f"Have it signed again, and give it as istio-mesh:trust.root.provided.intermediates.{cluster}"
    else:
        cure = f"Set istio-mesh:trust.intermediates.generation to {config.intermediates.generation + 1}"
    return (
        f"The intermediate of {cluster} {when}. From then on no workload of {cluster} is trusted by any other. "
        f"{cure} and run `pulumi up`: it is renewed in place, and no request fails."
    )


def root_end_warning(config: TrustConfig, *, end: datetime, now: datetime) -> str | None:
    """What to say of a root that ends on `end`; None while that is further off than `warnBefore`."""
    when = _when(config, end=end, now=now)
    if when is None:
        return None
    given = config.root.provided is not None
    another = ", give another one as istio-mesh:trust.root.provided," if given else ""
    return (
        f"The root of the mesh {when}. From then on no workload trusts any other, and renewed intermediates do not "
        f"help: they end with it. A root is not renewed in place: run `pulumi destroy`{another} and `pulumi up`."
    )


def _when(config: TrustConfig, *, end: datetime, now: datetime) -> str | None:
    left = end - now
    if left > timedelta(seconds=config.intermediates.warn_before.seconds):
        return None
    return f"ends on {end:%Y-%m-%d}, in {left.days} days" if left > timedelta() else f"ended on {end:%Y-%m-%d}"


def lifetime_warning(cluster: str, config: TrustConfig, *, issued: Duration) -> str | None:
    """What to say of an intermediate made with another lifetime than the configuration has now; else None."""
    wanted = config.intermediates.lifetime
    if issued == wanted:
        return None
    return (
        f"istio-mesh:trust.intermediates.lifetime is {wanted}; the intermediate of {cluster} was made for {issued} and "
        f"stays as it is. Set istio-mesh:trust.intermediates.generation to {config.intermediates.generation + 1} "
        "to have one made with the new lifetime."
    )
