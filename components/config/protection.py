"""Faults between services, issuers, extensions, gateways and the stack's own objects."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from components.config.access import IssuerConfig, access_references, issuers_faults
from components.config.extensions import ExtensionsConfig, extensions_references
from components.config.faults import Fault
from components.config.gateways import GatewaysConfig
from components.config.names import host_of
from components.config.object_references import Said, objects_faults
from components.config.objects import ObjectConfig
from components.config.ports import protocol_of
from components.config.services import ServiceConfig


def reference_faults(
    *,
    services: Mapping[str, ServiceConfig],
    written: Collection[str],
    issuers: Mapping[str, IssuerConfig],
    written_issuers: Collection[str],
    extensions: ExtensionsConfig,
    gateways: GatewaysConfig,
    objects: Sequence[tuple[int, ObjectConfig]],
    clusters: Collection[str],
    remotes: Mapping[str, str],
) -> Iterator[Fault]:
    """Everything that one of them says of another that is not there, relative to the stack.

    `services` and `issuers` are those without a fault of their own, `written` and `written_issuers` the names of all;
    `objects` have their index in the file; `remotes` are remote clusters with their primaries.
    """
    yield from (fault.under(("issuers",)) for fault in issuers_faults(issuers))
    hosts = {host_of(name) for name in services}
    asked = {name: service.access for name, service in services.items()}
    found = access_references(asked, issuers, hosts, known=written_issuers)
    # What a service with a fault asks for is not known.
    whole = len(services) == len(written)
    yield from (fault for fault in found if whole or len(fault.where) != 2)
    # A service with a fault is there, with ports that are not known.
    protocols: dict[str, set[str | None]] = {name: {"http"} for name in written}
    for name, service in services.items():
        protocols[name] = {protocol_of(port, config) for port, config in service.ports.items()}
    yield from (fault.under(("extensions",)) for fault in extensions_references(extensions, protocols))
    places = {host_of(name): f'services["{name}"]' for name in services}
    for name, service in services.items():
        places |= {public.host: f'services["{name}"].hosts' for public in service.hosts}
    said = Said(
        places,
        {host_of(name): service.versions for name, service in services.items()},
        {
            host: f"gateways.ingress.servers[{index}]"
            for index, server in enumerate(gateways.ingress.servers)
            for host in server.hosts
        },
    )
    found_objects = objects_faults(objects, clusters=clusters, said=said, remotes=remotes)
    yield from (fault.under(("objects",)) for fault in found_objects)
