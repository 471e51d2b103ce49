"""`istio-mesh:gateways`: where requests enter the mesh, and where they pass between its networks."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from components.config import defaults
from components.config.faults import SET, SET_SECRET, Fault, InvalidValue
from components.config.model import Model, exactly_one
from components.config.pem import PrivateKey, now, parse_chain
from components.config.values import DnsLabel, DnsSubdomain, Duration, Host
from components.config.workload import Percent, ReplicasConfig, ResourcesConfig
from components.naming import DNS_SUBDOMAIN_LIMIT, host_credential


class GeneratedTls(Model):
    """A certificate made by the stack, of an authority of its own: for trials, since no client trusts it unasked."""

    lifetime: Duration = defaults.GENERATED_TLS_LIFETIME
    """Its validity, below the ten years of its authority; default 90d."""

    def faults(self) -> Iterator[Fault]:
        if self.lifetime >= defaults.INGRESS_AUTHORITY_LIFETIME:
            yield Fault(
                f"lifetime ({self.lifetime}) is not below that of its authority "
                f"({defaults.INGRESS_AUTHORITY_LIFETIME})",
                "It would end with the authority, and every `pulumi up` might make it anew",
                "Shorten it",
                ("lifetime",),
            )


class CertManagerTls(Model):
    """A certificate that cert-manager, which the cluster has already, gets and renews."""

    issuer: Annotated[DnsSubdomain, Field(examples=["letsencrypt"])]
    """Name of the issuer."""

    kind: Literal["Issuer", "ClusterIssuer"] = "ClusterIssuer"
    """Whether it is the cluster's or the ingress namespace's own; default ClusterIssuer."""


class TlsConfig(Model):
    """The certificate of a server: exactly one source."""

    generated: GeneratedTls | None = None
    """Made by the stack."""

    existing_secret: DnsSubdomain | None = None
    """A Secret of type kubernetes.io/tls that is in the ingress namespace already."""

    certificate: str | None = None
    """The certificate and then its issuers in PEM; needs `privateKey`. Left empty in a file that is shared, who uses it
    is told how to set it."""

    private_key: PrivateKey | None = None
    """Key of the certificate; a secret."""

    cert_manager: CertManagerTls | None = None
    """Got by cert-manager."""

    def faults(self) -> Iterator[Fault]:
        sources = (self.generated, self.existing_secret, self.certificate, self.cert_manager)
        if "certificate" in self.model_fields_set and all(source is None for source in sources):
            yield from self._unset_faults()
            return
        if self.private_key is not None and all(source is None for source in sources):
            yield Fault(
                "there is a key and no certificate",
                "The gateway could not answer on 443",
                "Add `certificate`",
                ("privateKey",),
            )
        else:
            yield from exactly_one(
                self,
                "generated",
                "existingSecret",
                "certificate",
                "certManager",
                why="The gateway would have no certificate to show, or two",
                cure="Keep one source",
            )
        if self.certificate is not None:
            yield from self._certificate_faults(self.certificate)

    def _unset_faults(self) -> Iterator[Fault]:
        """A file that is shared leaves them empty: whoever uses it sets his own."""
        yield Fault(
            "the certificate is not set",
            "The gateway could not answer on 443",
            f"Set it, with its issuers behind it, by `{SET}`",
            ("certificate",),
        )
        if self.private_key is None:
            yield Fault(
                "the key of the certificate is not set",
                "The gateway could not answer on 443",
                f"Set it by `{SET_SECRET}`",
                ("privateKey",),
            )

    def _certificate_faults(self, text: str) -> Iterator[Fault]:
        try:
            leaf = parse_chain(text)[0]
        except InvalidValue as problem:
            yield from (fault.under(("certificate",)) for fault in problem.faults)
            return
        if self.private_key is None:
            yield Fault(
                "there is a certificate and no key",
                "The gateway could not answer on 443",
                f"Set its key by `{SET_SECRET}`",
                ("privateKey",),
            )
        elif not leaf.belongs_to(self.private_key):
            yield Fault(
                "the key is not the certificate's",
                "The gateway would refuse the pair and not answer on 443",
                "Give the key from which the certificate's request was made",
                ("privateKey",),
            )
        if not leaf.valid_at(now()):
            yield Fault(
                f"the certificate is valid from {leaf.parsed.not_valid_before_utc:%Y-%m-%d} "
                f"to {leaf.not_after:%Y-%m-%d}",
                "Every client would refuse the connection",
                "Give one that is valid now",
                ("certificate",),
            )


class ServerConfig(Model):
    """Hosts served on 443 with one certificate; 80 redirects to it."""

    hosts: Annotated[tuple[Host, ...], Field(min_length=1, examples=[["exam-platform.com"]])]
    """Names that clients use."""

    tls: Annotated[TlsConfig, Field(examples=[{"existingSecret": "exam-platform-tls"}])]
    """Their certificate."""

    offered_to: Annotated[tuple[DnsLabel, ...], Field(min_length=1, examples=[["results"]])] | None = None
    """Namespaces of other teams that route these hosts themselves; default: they are this stack's services' alone."""

    def faults(self) -> Iterator[Fault]:
        # An existing Secret has a name of its own.
        made = self.tls.existing_secret is None
        if made and len(name := host_credential(self.hosts[0])) > DNS_SUBDOMAIN_LIMIT:
            yield Fault(
                f"the Secret with its certificate would have a name of {len(name)} characters",
                f"The API server takes {DNS_SUBDOMAIN_LIMIT} at most (RFC 1123), and the host would not be served",
                "Let a shorter host be the first, which the Secret is named after, or name the Secret in "
                "`existingSecret`",
                ("hosts", 0),
            )
        if self.tls.certificate is None:
            return
        leaf = parse_chain(self.tls.certificate)[0]
        foreign = [host for host in self.hosts if not leaf.covers(host)]
        if foreign:
            yield Fault(
                f"the certificate is not for {' and '.join(foreign)}",
                "Clients that ask for the name would refuse the connection",
                "Give a certificate with the name among its subject alternative names, or take the host out",
                ("tls", "certificate"),
            )


class HealthCheckConfig(Model):
    """How Route 53 sees whether a region answers: it asks the gateway there whether it is ready."""

    interval: Literal[10, 30] = defaults.HEALTH_CHECK_INTERVAL
    """Seconds between two questions of each checker; default 30. Every 10 seconds costs more."""

    failures: Annotated[int, Field(ge=1, le=10)] = defaults.HEALTH_CHECK_FAILURES
    """Questions without an answer in a row after which a region gets no more requests; default 3."""


class FailoverConfig(Model):
    """All requests go to one region, and to the other one while that does not answer."""

    primary: Annotated[DnsLabel, Field(examples=["use1"])]
    """The cluster that they go to."""


class LatencyConfig(Model):
    """Requests go to the region that is nearest to the caller, of those that answer."""


class PublicNameConfig(Model):
    """The public hosts as records of Route 53 over all regions: exactly one of `latency`, `failover`."""

    zone: Annotated[Host, Field(examples=["exam-platform.com"])]
    """Name of the hosted zone, which is there already. Every public host has to be in it."""

    zone_id: Annotated[str, Field(pattern=r"^Z[A-Z0-9]{7,31}$", examples=["Z0123456789ABCDEFGHIJ"])]
    """Its id."""

    latency: LatencyConfig | None = None
    """Nearest region first."""

    failover: FailoverConfig | None = None
    """One region first; for two clusters."""

    health_check: HealthCheckConfig = HealthCheckConfig()
    """When a region is left out."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "latency",
            "failover",
            why="Route 53 could not choose among the regions",
            cure="Write `latency: {}`, or `failover` with its `primary`",
        )


class DrainConfig(Model):
    """How a gateway's pod ends that is replaced or taken away: it serves on until nobody is connected to it, or for
    `atMost`."""

    at_least: Duration = defaults.GATEWAY_DRAIN_AT_LEAST
    """How long it takes new connections at least, and does not end; default 2m. Load balancers of a cloud send some for
    so long."""

    at_most: Duration = defaults.GATEWAY_DRAIN_AT_MOST
    """How long it serves the connections that it has; default 4m. It ends before, when the last one is closed."""

    def faults(self) -> Iterator[Fault]:
        if self.at_most <= self.open_for:
            yield Fault(
                f"{self.at_most} is no more than the {self.open_for} for which it takes new connections",
                "The pod would be killed with all requests that are under way",
                "Write some minutes more than that",
                ("atMost",),
            )

    @property
    def open_for(self) -> Duration:
        """How long it takes new connections: never shorter than Istio's own, since Envoy keeps for as long what a
        change of its configuration replaces."""
        return max(self.at_least, defaults.DRAIN_DURATION)


class IngressConfig(Model):
    """The gateway of requests from outside, in every cluster. Default: sized for production."""

    replicas: ReplicasConfig = defaults.GATEWAY_REPLICAS
    """Number of its pods; default 2 to 8."""

    target_cpu: Percent = defaults.GATEWAY_TARGET_CPU
    """Share of the requested cpu, in percent, above which a replica is added; default 80."""

    resources: ResourcesConfig = defaults.GATEWAY_RESOURCES
    """What each of its pods gets; default: requests 100m and 128Mi, limits 2 and 1Gi, as in the gateway chart."""

    servers: tuple[ServerConfig, ...] = ()
    """The public hosts that it serves; default: none."""

    name: PublicNameConfig | None = None
    """One public name over all regions, of clusters that the stack makes in AWS; default: none."""

    def faults(self) -> Iterator[Fault]:
        yield from self._name_faults()
        seen: dict[str, int] = {}
        for index, server in enumerate(self.servers):
            for position, host in enumerate(server.hosts):
                if host in seen:
                    yield Fault(
                        f"`{host}` is served by servers[{seen[host]}] already",
                        "Istio would drop one of the two, with its certificate",
                        "Keep it in one server",
                        ("servers", index, "hosts", position),
                    )
                seen.setdefault(host, index)

    def _name_faults(self) -> Iterator[Fault]:
        if self.name is None:
            return
        zone = self.name.zone
        for index, server in enumerate(self.servers):
            for position, host in enumerate(server.hosts):
                if host != zone and not host.endswith(f".{zone}"):
                    yield Fault(
                        f"`{host}` is not in the zone {zone}",
                        "It would have no record, and nobody would find it",
                        "Take it out, or serve it from a stack with that zone",
                        ("servers", index, "hosts", position),
                    )


class EastWestConfig(Model):
    """The gateway of requests from the other clusters. Default: sized as the ingress."""

    replicas: ReplicasConfig = defaults.GATEWAY_REPLICAS
    """Number of its pods; default 2 to 8."""

    target_cpu: Percent = defaults.GATEWAY_TARGET_CPU
    """Share of the requested cpu, in percent, above which a replica is added; default 80."""

    resources: ResourcesConfig = defaults.GATEWAY_RESOURCES
    """What each of its pods gets; default: requests 100m and 128Mi, limits 2 and 1Gi, as in the gateway chart."""


class GatewaysConfig(Model):
    """The gateways of every cluster."""

    ingress: IngressConfig = IngressConfig()
    """Requests from outside."""

    east_west: EastWestConfig = EastWestConfig()
    """Requests from the other clusters."""

    drain: DrainConfig = DrainConfig()
    """How pods of both end."""
