"""The services of a stack, and what follows from all of them together: who calls whom, and what is where. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from components.config.egress import ExternalConfig
from components.config.names import host_of, split
from components.config.services import ServiceConfig


@dataclass(frozen=True)
class Service:
    """One service with its name."""

    key: str
    """`namespace/name`."""

    config: ServiceConfig
    """What the stack says of it."""

    @property
    def namespace(self) -> str:
        """Where its pods run."""
        return split(self.key)[0]

    @property
    def name(self) -> str:
        """Its own name."""
        return split(self.key)[1]

    @property
    def host(self) -> str:
        """Its DNS name in every cluster."""
        return host_of(self.key)

    @property
    def account(self) -> str:
        """Service account of its pods."""
        return self.config.account or self.name

    @property
    def selector(self) -> dict[str, str]:
        """Labels of its pods, sorted."""
        return dict(sorted((self.config.workload or {"app": self.name}).items()))


class Platform:
    """All services. Everything is in an order of its own, whatever the order in the file."""

    def __init__(
        self,
        services: Mapping[str, ServiceConfig],
        *,
        clusters: Sequence[str],
        external: Mapping[str, ExternalConfig] | None = None,
        permissive: Sequence[str] = (),
        together: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`clusters`: names of all; `external`: `istio-mesh:egress`; `permissive`: namespaces of exceptions.

        `together`: for a cluster, those that are taken for one with it, itself among them.
        """
        self.services = {key: Service(key, services[key]) for key in sorted(services)}
        self.clusters = tuple(clusters)
        self.external = dict(sorted((external or {}).items()))
        self._permissive = frozenset(permissive)
        self._together = together or {}

    def _runs_in(self, service: Service, cluster: str) -> bool:
        return any(service.config.runs_in(name) for name in self._together.get(cluster, (cluster,)))

    @cached_property
    def _mirrored(self) -> Mapping[str, frozenset[str]]:
        """By service, those whose requests are copied to it. A copy is not copied again."""
        found: dict[str, set[str]] = defaultdict(set)
        for service in self.services.values():
            for route in service.config.routes:
                if route.mirror is not None:
                    found[route.mirror.to].add(service.key)
        return {key: frozenset(sources) for key, sources in found.items()}

    @cached_property
    def _callers(self) -> Mapping[str, tuple[str, ...]]:
        return {
            key: tuple(
                sorted(
                    {
                        caller
                        for source in (key, *self._mirrored.get(key, ()))
                        if source in self.services
                        for caller in self.services[source].config.callers
                    }
                )
            )
            for key in self.services
        }

    @cached_property
    def _called(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = defaultdict(list)
        for key, callers in self._callers.items():
            for caller in callers:
                found[caller].append(key)
        return {caller: tuple(keys) for caller, keys in found.items()}

    def callers(self, service: Service) -> tuple[Service, ...]:
        """Services that may call it: those that it names, and those whose requests are mirrored to it.

        A mirrored request is sent by the caller's proxy, as the caller.
        """
        return tuple(self.services[key] for key in self._callers[service.key] if key in self.services)

    def called_by(self, service: Service) -> tuple[Service, ...]:
        """Services that it may call."""
        return tuple(self.services[key] for key in self._called.get(service.key, ()))

    def behind_ingress(self, service: Service) -> bool:
        """Whether the ingress sends requests to it: for its hosts, or as copies of those of another one."""
        sources = (service.key, *self._mirrored.get(service.key, ()))
        return any(self.services[key].config.hosts for key in sources if key in self.services)

    def called_from(self, service: Service, cluster: str) -> bool:
        """Whether something in the cluster may call it: a caller that runs there, the ingress, or another team's."""
        others = self.behind_ingress(service) or bool(service.config.offered_to)
        return others or any(self._runs_in(c, cluster) for c in self.callers(service))

    def present_in(self, service: Service, cluster: str) -> bool:
        """Whether its objects are in the cluster: it runs there or is called from there."""
        return self._runs_in(service, cluster) or self.called_from(service, cluster)

    def present(self, cluster: str) -> tuple[Service, ...]:
        """All services that are present in the cluster, by name."""
        return tuple(service for service in self.services.values() if self.present_in(service, cluster))

    def running(self, cluster: str) -> tuple[Service, ...]:
        """All services whose pods run in the cluster, by name."""
        return tuple(service for service in self.services.values() if self._runs_in(service, cluster))

    def stubs(self, cluster: str) -> tuple[Service, ...]:
        """Services that are called from the cluster and do not run there: without a Service of that name the caller's
        DNS would not know them."""
        return tuple(service for service in self.present(cluster) if not self._runs_in(service, cluster))

    def namespaces(self, cluster: str) -> tuple[str, ...]:
        """Namespaces of services in the cluster, and those of exceptions in which a service is declared.

        In a namespace of an exception without one nothing may be refused: nobody has said who calls what in it.
        """
        return tuple(sorted({service.namespace for service in self.present(cluster)} | (self._permissive & self._said)))

    @cached_property
    def _said(self) -> frozenset[str]:
        return frozenset(service.namespace for service in self.services.values())

    def says(self, namespace: str) -> bool:
        """Whether a service is declared in the namespace, in whatever cluster."""
        return namespace in self._said

    def external_of(self, service: Service) -> tuple[ExternalConfig, ...]:
        """External services that it may call."""
        return tuple(config for config in self.external.values() if service.key in config.callers)
