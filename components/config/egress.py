"""`istio-mesh:egress`: what lies outside the mesh and may be called from it. All else is refused."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from components.config.faults import Fault, invalid
from components.config.model import Model
from components.config.names import CLUSTER_DOMAIN, ServiceName
from components.config.ports import HTTP_PROTOCOLS, SEALED_PROTOCOLS, PortConfig, protocol_of
from components.config.values import DnsLabel, Host

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")


def _external_host(value: str) -> str:
    if value.removeprefix("*.").endswith(f".{CLUSTER_DOMAIN}") or value.endswith((".local", ".svc")):
        raise invalid(
            f"`{value}` is a name inside the clusters",
            "It would take the requests of a service of the mesh out of mutual TLS",
            "Name the service in `istio-mesh:services`, and its caller there in `callers`",
        )
    return value


def _network(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError:
        raise invalid(
            f"`{value}` is not an address or a range of them",
            "Istio refuses the ServiceEntry",
            "Write it as in `203.0.113.7` or `203.0.113.0/24`",
        ) from None
    if network.prefixlen == 0:
        raise invalid(
            f"`{value}` is every address",
            "A port of it would be open to the whole world, whatever the other entries say",
            "Name the addresses of the service",
        )
    return value


def _endpoint(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        if not re.fullmatch(
            r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*", value
        ):
            raise invalid(
                f"`{value}` is neither an address nor a host name",
                "Istio refuses the ServiceEntry",
                "Write it as in `203.0.113.7` or `proxy.example.com`",
            ) from None
    return value


class ExternalConfig(Model):
    """A service outside the mesh, and who of the mesh may call it.

    That a caller's proxy knows no other host keeps honest code to the list. Code that takes over a pod can go around
    its proxy: what must not be reached at all, a firewall or an egress gateway has to stop.
    """

    hosts: Annotated[
        tuple[Annotated[Host, AfterValidator(_external_host)], ...],
        Field(min_length=1, examples=[["api.payments.example.com"]]),
    ]
    """Its names, as callers use them; a wildcard takes every name of one domain."""

    ports: Annotated[dict[DnsLabel, PortConfig], Field(min_length=1, examples=[{"https": 443}])]
    """Its ports by name; the name's first word is the protocol, as in `https` or `tcp-postgres`."""

    callers: Annotated[tuple[ServiceName, ...], Field(min_length=1, examples=[["exam/api-service"]])]
    """Services that may call it."""

    addresses: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...], Field(min_length=1, examples=[["203.0.113.7"]])
    ] = ()
    """Its addresses, which callers connect to; default: none. Needed for ports whose protocol names no host (tcp and
    databases)."""

    endpoints: Annotated[tuple[Annotated[str, AfterValidator(_endpoint)], ...], Field(examples=[["203.0.113.7"]])] = ()
    """Where it is really found: addresses, or host names; default: what DNS says of its names."""

    def faults(self) -> Iterator[Fault]:
        numbers: dict[int, str] = {}
        for name, port in self.ports.items():
            protocol = protocol_of(name, port)
            if protocol is None and port.protocol is None:
                yield Fault(
                    f"the name `{name}` does not begin with a protocol",
                    "Istio would not know how to tell its requests from others on the port",
                    f"Name it as in `https-{name}: {port.number}`, "
                    f"or write `{name}: {{number: {port.number}, protocol: https}}`",
                    ("ports", name),
                )
            if port.number in numbers:
                yield Fault(
                    f"{port.number} is the port `{numbers[port.number]}` already",
                    "Istio refuses the ServiceEntry",
                    "Give each port its own number",
                    ("ports", name),
                )
            numbers.setdefault(port.number, name)
            nameless = protocol is not None and protocol not in HTTP_PROTOCOLS | SEALED_PROTOCOLS
            if nameless and "addresses" not in self.model_fields_set:
                yield Fault(
                    f"a port of {protocol}, and no address",
                    "Such connections name no host: every one to this port, wherever it goes, would be taken for it",
                    "Add `addresses`",
                    ("ports", name),
                )
        if any(host.startswith("*.") for host in self.hosts) and self.endpoints:
            yield Fault(
                "endpoints for every name of a domain",
                "Istio refuses them together: a connection goes where its name leads",
                "Name the hosts, or take `endpoints` out",
                ("endpoints",),
            )
        mixed = {_is_address(endpoint) for endpoint in self.endpoints}
        if len(mixed) == 2:
            yield Fault(
                "addresses beside host names",
                "Istio refuses the ServiceEntry: it looks all of them up, or none",
                "Keep to one kind",
                ("endpoints",),
            )
        for key, names in (("hosts", self.hosts), ("callers", self.callers)):
            for index, name in enumerate(names):
                if name in names[:index]:
                    yield Fault(f"`{name}` is named twice", "One of them is a mistake", "Name it once", (key, index))

    @property
    def resolution(self) -> str:
        """How proxies find it: by DNS, at given addresses, or where the caller's own lookup led."""
        if any(host.startswith("*.") for host in self.hosts):
            return "NONE"
        if self.endpoints and all(_is_address(endpoint) for endpoint in self.endpoints):
            return "STATIC"
        return "DNS"


def _is_address(endpoint: str) -> bool:
    try:
        ip_address(endpoint)
    except ValueError:
        return False
    return True


EgressConfig = dict[DnsLabel, ExternalConfig]
"""Services outside the mesh, by a name of the stack's own."""


def egress_faults(external: Mapping[str, ExternalConfig]) -> Iterator[Fault]:
    """Faults between external services, relative to `istio-mesh:egress`."""
    seen: dict[tuple[str, int], str] = {}
    for name, config in external.items():
        for index, host in enumerate(config.hosts):
            for port in config.ports.values():
                if (host, port.number) in seen:
                    yield Fault(
                        f"port {port.number} of `{host}` is in `{seen[host, port.number]}` already",
                        "Proxies would take one of the two, and callers of the other one not be served as it says",
                        "Keep it in one of them",
                        (name, "hosts", index),
                    )
                    break
                seen[host, port.number] = name
