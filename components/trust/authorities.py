"""The mesh's authorities: the shared root, and one intermediate for each cluster, which signs its workloads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pulumi

from components.clusters.cluster import Cluster
from components.config.trust import GeneratedRoot, PrivateCaConfig, ProvidedRoot, RootConfig, TrustConfig
from components.config.values import Duration
from components.naming import child, type_token
from components.trust import certificates
from components.trust.generated import IntermediateCertificate, RootCertificate
from components.trust.roots import GUIDE, RootBundle
from components.trust.rotation import marked, reissues

if TYPE_CHECKING:
    from components.trust.private_ca import Signed


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
    """The roots that this cluster's workloads trust, as istiod is given them: see `rotation.marked`."""

    not_after: pulumi.Output[str]
    """End of its validity: ISO 8601, UTC."""


@dataclass(frozen=True)
class Root:
    """One root, whoever made it."""

    certificate: pulumi.Output[str]
    """PEM."""

    not_after: pulumi.Output[str]
    """End of its validity: ISO 8601, UTC."""

    made: RootCertificate | None = None
    """Where the stack has its key."""

    signed: Mapping[str, "Signed"] | None = None
    """Of AWS Private CA: the intermediates by cluster, since its key is nowhere else."""


class Authorities(pulumi.ComponentResource):
    """Makes the roots and the intermediates, or takes provided ones; warns of an intermediate's end in time.

    A rotation puts a next root beside the present one. The phase says which are trusted and which one signs; the
    intermediates follow by being signed by another root, which renews them in place. Generated roots have their number
    in their names, so that the next one is the present one afterwards without being another resource.
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
        meshed: Sequence[Cluster] = (),
        account: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`clusters` have a control plane, which signs; `meshed` are all whose proxies have a word in a rotation;
        `account` is that of AWS in which the stack makes its clusters, where it does."""
        super().__init__(type_token("trust", "Authorities"), name, None, opts)
        roots = [self._root(name, config, root, clusters, account) for root in config.roots]
        signer, signing = roots[config.stage.signs], config.roots[config.stage.signs]
        trusted = [roots[place].certificate for place in config.stage.trusts]
        self._bundle = RootBundle(
            child(name, "roots"),
            bundle=pulumi.Output.all(*trusted).apply(certificates.bundle),
            signer=signer.certificate,
            phase=config.phase,
            clusters=meshed,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.root_certificates = self._bundle.bundle
        reissue = 0 if config.rotation is None else config.rotation.reissue
        count = reissues(config.phase, config.stage, reissue)
        self._given_roots = self.root_certificates.apply(lambda bundle: marked(bundle, count))
        self._warn_of_root_end(config, signer.not_after)
        if signer.signed is not None:
            self.intermediates = self._signed(config, signer, signer.signed)
        elif signing.provided is not None:
            self.intermediates = self._provided(config, signing.provided, signer, clusters)
        else:
            self.intermediates = self._generated(name, config, signer, clusters)
        self.register_outputs({"rootCertificates": self.root_certificates})

    def _root(
        self, name: str, config: TrustConfig, root: RootConfig, clusters: Sequence[str], account: str | None
    ) -> Root:
        if root.private_ca is not None:
            return self._have_signed(name, config, root.private_ca, clusters, account)
        if root.provided is not None:
            given = root.provided.certificate
            return Root(pulumi.Output.from_input(given.pem), pulumi.Output.from_input(given.not_after.isoformat()))
        generated = root.generated or GeneratedRoot()
        made = RootCertificate(
            child(name, f"root-{generated.generation}"),
            organization=config.trust_domain,
            common_name=f"Root CA {generated.generation}",
            lifetime=generated.lifetime.seconds,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return Root(made.certificate, made.not_after, made)

    def _generated(
        self, name: str, config: TrustConfig, signer: Root, clusters: Sequence[str]
    ) -> dict[str, Intermediate]:
        assert signer.made is not None
        intermediates: dict[str, Intermediate] = {}
        for cluster in clusters:
            made = IntermediateCertificate(
                child(name, f"intermediate-{cluster}"),
                issuer=signer.made,
                organization=config.trust_domain,
                common_name=f"Intermediate CA {cluster}",
                lifetime=config.intermediates.lifetime.seconds,
                generation=config.intermediates.generation,
                # A step of a rotation that is refused must leave it as it is.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[self._bundle]),
            )
            intermediates[cluster] = Intermediate(
                made.certificate, made.private_key, made.certificate, self._given_roots, made.not_after
            )
            self._warn_of_end(cluster, config, made.not_after, signer.not_after)
            self._warn_of_lifetime(cluster, config, made.issued_lifetime)
        return intermediates

    def _have_signed(
        self, name: str, config: TrustConfig, root: PrivateCaConfig, clusters: Sequence[str], account: str | None
    ) -> Root:
        """The root of an authority in AWS, which is known by what it signs. It signs before its root is trusted; what
        it signed is used when the bundle is."""
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
        certificate = next(iter(signed.values())).root
        return Root(certificate, certificate.apply(_end), signed=signed)

    def _signed(self, config: TrustConfig, signer: Root, signed: Mapping[str, "Signed"]) -> dict[str, Intermediate]:
        intermediates: dict[str, Intermediate] = {}
        for cluster, made in signed.items():
            end = made.certificate.apply(_end)
            intermediates[cluster] = Intermediate(
                made.certificate, made.private_key, made.chain, self._given_roots, end
            )
            self._warn_of_end(cluster, config, end, signer.not_after)
            self._warn_of_lifetime(cluster, config, made.issued_lifetime)
        return intermediates

    def _provided(
        self, config: TrustConfig, root: ProvidedRoot, signer: Root, clusters: Sequence[str]
    ) -> dict[str, Intermediate]:
        intermediates: dict[str, Intermediate] = {}
        for cluster in clusters:
            given = root.intermediates[cluster]
            certificate = pulumi.Output.from_input(given.certificate.pem)
            not_after = pulumi.Output.from_input(given.certificate.not_after.isoformat())
            key = pulumi.Output.secret(given.private_key.get_secret_value())
            intermediates[cluster] = Intermediate(certificate, key, certificate, self._given_roots, not_after)
            self._warn_of_end(cluster, config, not_after, signer.not_after)
        return intermediates

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
    if config.roots[config.stage.signs].provided is not None:
        where = ("root", "rotation.next")[config.stage.signs]
        cure = f"Have it signed again, and give it as istio-mesh:trust.{where}.provided.intermediates.{cluster}"
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
    return (
        f"The root of the mesh {when}. From then on no workload trusts any other, and renewed intermediates do not "
        f"help: they end with it. Rotate it, in three runs of `pulumi up` and without a failed request: see {GUIDE}."
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
