"""`istio-mesh:trust`: the shared root, the clusters' intermediates, workload certificates, remote tokens."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from components.config import defaults
from components.config.aws_values import AuthorityArn
from components.config.faults import Fault, Location
from components.config.model import Model, exactly_one
from components.config.pem import PemCertificate, PrivateKey, now
from components.config.rotation import NONE, STAGES, Phase, Stage, rotation_faults
from components.config.values import DnsLabel, Duration, Generation, TrustDomain

DAY = 86_400
"""Seconds."""


class GeneratedRoot(Model):
    """A root made by the stack; its key stays in the stack's state as a secret."""

    lifetime: Duration = defaults.ROOT_LIFETIME
    """Validity of the root; default 3650d, since changing it is a rotation of the whole mesh."""

    generation: Generation = 1
    """Number of the root. It begins with 1, and is raised by one at the end of a rotation and never otherwise."""


class ProvidedIntermediate(Model):
    """One cluster's intermediate, signed by the offline root."""

    certificate: PemCertificate
    """Its certificate: an authority (CA:TRUE, keyCertSign, pathlen 0) signed by the root."""

    private_key: PrivateKey
    """Its key; a secret."""

    def faults(self) -> Iterator[Fault]:
        if not self.certificate.belongs_to(self.private_key):
            yield Fault(
                "the key is not the certificate's",
                "istiod would not start with it",
                "Give the key from which the certificate's request was made",
                ("privateKey",),
            )


class ProvidedRoot(Model):
    """A root kept offline: only its certificate and the intermediates that it signed enter the stack."""

    certificate: PemCertificate
    """The root's certificate, self-signed."""

    intermediates: dict[DnsLabel, ProvidedIntermediate]
    """By cluster name: one for each cluster that has a control plane, and none besides."""

    def faults(self) -> Iterator[Fault]:
        lacking = self.certificate.missing_of_authority()
        if lacking or not self.certificate.signed_by(self.certificate):
            yield Fault(
                "this is not a root"
                + (f": it lacks {' and '.join(lacking)}" if lacking else ": it is not self-signed"),
                "No workload would accept the chain that ends in it",
                "Give the self-signed certificate of the authority that signed the intermediates",
                ("certificate",),
            )
        if not self.certificate.valid_at(now()):
            yield _not_valid(self.certificate, "certificate")
        for name, intermediate in self.intermediates.items():
            yield from self._intermediate_faults(intermediate.certificate, "intermediates", name, "certificate")

    def _intermediate_faults(self, certificate: PemCertificate, *where: str) -> Iterator[Fault]:
        lacking = certificate.missing_of_authority(path_length=0)
        if lacking:
            yield Fault(
                f"the certificate lacks {' and '.join(lacking)}",
                "Workloads refuse what it signs, or it could make further authorities",
                "Have it signed again with basicConstraints=critical,CA:TRUE,pathlen:0 and keyUsage=keyCertSign",
                where,
            )
        if not certificate.signed_by(self.certificate):
            yield Fault(
                "the certificate is not signed by the given root",
                "The other clusters' workloads would refuse every connection from this one",
                "Give the root that signed it, or have it signed by this one",
                where,
            )
        if not certificate.valid_at(now()):
            yield _not_valid(certificate, *where)
        if certificate.not_after > self.certificate.not_after:
            yield Fault(
                f"the certificate ends on {certificate.not_after:%Y-%m-%d}, "
                f"after its root, which ends on {self.certificate.not_after:%Y-%m-%d}",
                "From the root's end on its chain would be refused while it looks valid",
                "Have it signed again for no longer than the root",
                where,
            )


def _not_valid(certificate: PemCertificate, *where: str) -> Fault:
    begin, end = certificate.parsed.not_valid_before_utc, certificate.not_after
    early = now() < begin
    return Fault(
        f"the certificate {'begins' if early else 'ended'} on {begin if early else end:%Y-%m-%d}",
        "No workload accepts what it signed",
        "Wait for it or give one that is valid now" if early else "Have it signed again",
        where,
    )


class PrivateCaConfig(Model):
    """AWS Private CA, of the kind GENERAL_PURPOSE: it signs the intermediates. The root is the end of its chain."""

    arn: AuthorityArn
    """ARN of the authority, which is there already."""

    key: Literal["RSA", "EC"] = "RSA"
    """Kind of the authority's own key, which says how it signs; default RSA."""

    @property
    def signing_algorithm(self) -> str:
        """As ACM PCA calls it."""
        return f"SHA256WITH{'ECDSA' if self.key == 'EC' else 'RSA'}"


class RootConfig(Model):
    """Where the mesh's root of trust comes from: exactly one of the three."""

    generated: GeneratedRoot | None = None
    """Made by the stack and kept in its state as a secret."""

    provided: ProvidedRoot | None = None
    """Kept offline; only intermediates enter the stack."""

    private_ca: PrivateCaConfig | None = None
    """Kept by AWS Private CA, which signs the intermediates."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "generated",
            "provided",
            "privateCa",
            why="The clusters would not know which root to trust",
            cure="Write `generated: {}` for a root of the stack's own, `provided` for an offline one, or `privateCa` "
            "for one of AWS",
        )


class IntermediatesConfig(Model):
    """The intermediates that the stack's own root or AWS Private CA signs, one for each cluster that has a control
    plane."""

    lifetime: Duration = defaults.INTERMEDIATE_LIFETIME
    """Validity of an intermediate; default 730d."""

    warn_before: Duration = defaults.INTERMEDIATE_WARNING
    """How long before an intermediate's end each `pulumi up` warns of it; default 60d."""

    generation: Generation = 1
    """Raise by one to renew every intermediate; workloads go on without a failed request. It begins with 1."""

    def faults(self) -> Iterator[Fault]:
        if self.warn_before >= self.lifetime:
            yield Fault(
                f"warnBefore ({self.warn_before}) is not shorter than the lifetime ({self.lifetime})",
                "Every run would warn, from the first day on",
                "Shorten `warnBefore` or lengthen `lifetime`",
                ("warnBefore",),
            )


class WorkloadCertificatesConfig(Model):
    """Certificates of the workloads, which rotate by themselves."""

    lifetime: Duration = defaults.WORKLOAD_LIFETIME
    """What a proxy asks for (its SECRET_TTL), at least a minute; default 24h. It renews after half of it."""

    max_lifetime: Duration = defaults.MAX_WORKLOAD_LIFETIME
    """What istiod grants at most (MAX_WORKLOAD_CERT_TTL); default 24h."""

    def faults(self) -> Iterator[Fault]:
        if self.lifetime > self.max_lifetime:
            yield Fault(
                f"lifetime ({self.lifetime}) is above maxLifetime ({self.max_lifetime})",
                "istiod refuses every request above its maximum, and no workload would get a certificate",
                "Lower `lifetime` or raise `maxLifetime`",
                ("lifetime",),
            )
        if self.lifetime < Duration(60):
            yield Fault(
                f"lifetime ({self.lifetime}) is below a minute",
                "Certificates would end before they arrive everywhere",
                "Write at least `1m`",
                ("lifetime",),
            )


class RemoteTokensConfig(Model):
    """The tokens by which istiods read their peers' endpoints."""

    generation: Generation = 1
    """Raise by one to rotate them: new tokens are made, istiods take them, the old ones are refused. It begins with
    1."""


class RotationConfig(Model):
    """The root on its way to the next one: three phases, each one `pulumi up`, in which no request fails.

    docs/rotate-the-root.md has the steps, and the way back from each.
    """

    phase: Phase
    """`trust-both`: workloads trust both roots; `sign-new`: the next one signs; `drop-old`: it alone is trusted. Each
    is refused until the one before it has reached every proxy of every cluster. Afterwards `root` becomes what `next`
    is, and `rotation` is taken out."""

    next: RootConfig | None = None
    """The next root, as it will stand in `root`; default: of a generated one the next generation."""

    reissue: Annotated[int, Field(ge=0, le=1000)] = 0
    """Raise by one while both roots are trusted, and every proxy asks for a new certificate at once: for those that
    still show one of the other root. It begins with 0."""


class TrustConfig(Model):
    """Who trusts whom: one root for the mesh, one intermediate for each control plane."""

    trust_domain: Annotated[TrustDomain, Field(examples=["exam-platform.local"])]
    """Authority of every workload's identity: `spiffe://<trustDomain>/ns/<namespace>/sa/<account>`."""

    root: RootConfig = RootConfig(generated=GeneratedRoot())
    """Where the root comes from; default: made by the stack."""

    rotation: RotationConfig | None = None
    """Another root in place of `root`, step by step; default: none."""

    intermediates: IntermediatesConfig = IntermediatesConfig()
    """The intermediates; with a provided root only `warnBefore` counts."""

    workload_certificates: WorkloadCertificatesConfig = WorkloadCertificatesConfig()
    """The certificates of the workloads."""

    remote_tokens: RemoteTokensConfig = RemoteTokensConfig()
    """The peers' reader tokens, and when they are rotated."""

    @property
    def phase(self) -> str:
        """Of the rotation; `NONE` where there is none."""
        return NONE if self.rotation is None else self.rotation.phase

    @property
    def stage(self) -> Stage:
        """Which of `roots` are trusted now, and which one signs."""
        return STAGES[self.phase]

    @property
    def roots(self) -> tuple[RootConfig, ...]:
        """The present root and, during a rotation, the next one."""
        if self.rotation is None:
            return (self.root,)
        if self.rotation.next is not None:
            return (self.root, self.rotation.next)
        generated = self.root.generated or GeneratedRoot()
        following = generated.model_copy(update={"generation": generated.generation + 1})
        return (self.root, RootConfig(generated=following))

    @property
    def written_roots(self) -> tuple[tuple[RootConfig, tuple[str, ...]], ...]:
        """The roots that the file has, each with where it stands below `trust`."""
        places = (("root",), ("rotation", "next"))
        written = (self.root, self.rotation.next if self.rotation is not None else None)
        return tuple((root, place) for root, place in zip(written, places, strict=True) if root is not None)

    def faults(self) -> Iterator[Fault]:
        yield from rotation_faults(self)
        workload = self.workload_certificates.max_lifetime
        for root, where in self.written_roots:
            if root.generated is not None:
                yield from self._generated_faults(root.generated, workload, where)
            if root.provided is not None:
                yield from self._provided_faults(root.provided, workload, where)
            if root.private_ca is not None:
                yield from self._private_ca_faults()
                yield from self._workload_faults(workload)
        if len(self.roots) > 1 and all(root.private_ca is not None for root in self.roots):
            yield Fault(
                "both roots are of AWS Private CA",
                "The intermediates of the one would take the place of the other's before its root is trusted",
                "Rotate to a generated or an offline root first, and from there to the other authority",
                ("rotation", "next", "privateCa"),
            )
        if all(root.provided is not None for root in self.roots):
            for key in sorted(self.intermediates.model_fields_set & {"lifetime", "generation"}):
                yield Fault(
                    f"{key} has no meaning beside a provided root",
                    "A reader would think that it renews the intermediates, and they would end",
                    "Leave it out; renew an intermediate by giving its new certificate and key",
                    ("intermediates", key),
                )

    def _generated_faults(self, root: GeneratedRoot, workload: Duration, where: Location) -> Iterator[Fault]:
        intermediate = self.intermediates.lifetime
        if intermediate >= root.lifetime:
            yield Fault(
                f"the intermediates' lifetime ({intermediate}) is not shorter than the root's ({root.lifetime})",
                "They would outlive the root, and their chains be refused while they look valid",
                f"Shorten it or lengthen `{'.'.join(map(str, where))}.generated.lifetime`",
                ("intermediates", "lifetime"),
            )
        yield from self._workload_faults(workload)

    def _private_ca_faults(self) -> Iterator[Fault]:
        lifetime = self.intermediates.lifetime
        if lifetime.seconds % DAY:
            yield Fault(
                f"the intermediates' lifetime ({lifetime}) is not one of whole days",
                "AWS Private CA is asked for days",
                "Write days, as in `730d`",
                ("intermediates", "lifetime"),
            )

    def _workload_faults(self, workload: Duration) -> Iterator[Fault]:
        intermediate = self.intermediates.lifetime
        if workload >= intermediate:
            yield Fault(
                f"workload certificates may live for {workload}, the intermediates for {intermediate}",
                "A workload's certificate would outlive its signer, and be refused while it looks valid",
                "Lower `workloadCertificates.maxLifetime` or lengthen `intermediates.lifetime`",
                ("workloadCertificates", "maxLifetime"),
            )

    def _provided_faults(self, root: ProvidedRoot, workload: Duration, where: Location) -> Iterator[Fault]:
        for name, intermediate in root.intermediates.items():
            left = intermediate.certificate.not_after - now()
            if 0 < left.total_seconds() <= workload.seconds:
                yield Fault(
                    f"the certificate ends on {intermediate.certificate.not_after:%Y-%m-%d}, "
                    f"within the {workload} that a workload's may live",
                    "Workload certificates would outlive their signer, and be refused while they look valid",
                    "Have it signed again for longer",
                    (*where, "provided", "intermediates", name, "certificate"),
                )


def provided_faults(
    trust: TrustConfig, clusters: Iterable[str], remotes: Mapping[str, str] | None = None
) -> Iterator[Fault]:
    """Faults between provided roots' intermediates and the clusters' names; `remotes` have primaries by name."""
    for root, where in trust.written_roots:
        if root.provided is not None:
            yield from (
                fault.under((*where, "provided", "intermediates"))
                for fault in _intermediate_faults(root.provided.intermediates, list(clusters), remotes or {})
            )


def _intermediate_faults(
    given: Mapping[str, ProvidedIntermediate], names: Sequence[str], primary_of: Mapping[str, str]
) -> Iterator[Fault]:
    for name in names:
        if name in primary_of:
            if name in given:
                yield Fault(
                    f"`{name}` is a remote cluster: the istiod of `{primary_of[name]}` signs for its workloads",
                    "A key that nothing uses would be kept in the stack",
                    "Take it out",
                    (name,),
                )
        elif name not in given:
            yield Fault(
                f"there is no intermediate for the cluster `{name}`",
                "istiod there would sign with a root of its own, which no other cluster trusts",
                f"Add `{name}: {{certificate: ..., privateKey: ...}}`",
            )
    for name in given:
        if name not in names:
            yield Fault(
                f"there is no cluster `{name}`",
                "A key that nothing uses would be kept in the stack",
                f"Take it out, or name one of the clusters: {', '.join(f'`{known}`' for known in names)}",
                (name,),
            )
