"""Gateways: for which names they stand open, and how."""

from collections.abc import Iterator

from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject

GATEWAY = "networking.istio.io/Gateway"
VIRTUAL_SERVICE = "networking.istio.io/VirtualService"

_PRACTICES = "Istio: security best practices"
_PLAIN = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
_OLD_TLS = {"TLSV1_0": "1.0", "TLSV1_1": "1.1"}


@resource_policy(
    "istio-gateway-wildcard",
    MANDATORY,
    on=[GATEWAY],
    description="A Gateway names the hosts that it is open for; between networks that is `*.local`.",
    reason="Under `*` any VirtualService of any namespace may take any name, and what nobody meant is answered.",
    source=f"{_PRACTICES}, avoid overly broad hosts configurations",
)
def gateway_wildcard(gateway: Subject, _: Setting) -> Iterator[Finding]:
    for server in gateway.spec["servers"]:
        passes = server.at("tls", "mode").is_("AUTO_PASSTHROUGH")
        for host in server["hosts"]:
            text = host.text
            name = (text or "").rpartition("/")[2]
            if text is None or not (name == "*" or (passes and name != "*.local")):
                continue
            yield Finding(
                f"`{text}` is open for every host" if name == "*" else f"`{text}` is passed on by its name alone",
                "Requests for names that nobody declared are let in"
                if not passes
                else "Between networks only services of the mesh have a way in",
                "write `*.local`" if passes else "name the hosts",
                host.path,
            )


@resource_policy(
    "istio-virtualservice-wildcard",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="A VirtualService names the hosts that it is for.",
    reason="`*` takes the requests of every host at its gateways that no other one has, those of other teams among it.",
    source=f"{_PRACTICES}, avoid overly broad hosts configurations",
)
def virtual_service_wildcard(route: Subject, _: Setting) -> Iterator[Finding]:
    for host in route.spec["hosts"]:
        if host.is_("*"):
            yield Finding(
                "`*` takes requests of every host", "Those of other teams are among them", "name the hosts", host.path
            )


@resource_policy(
    "istio-gateway-tls-version",
    MANDATORY,
    on=[GATEWAY],
    description="Gateways speak TLS 1.2 or newer.",
    reason="TLS 1.0 and 1.1 are broken and withdrawn: who can make a client fall back reads its requests.",
    source="RFC 8996; Istio: Gateway, ServerTLSSettings",
)
def gateway_tls_version(gateway: Subject, _: Setting) -> Iterator[Finding]:
    for server in gateway.spec["servers"]:
        for name in ("minProtocolVersion", "maxProtocolVersion"):
            version = server["tls"][name]
            if version.is_(*_OLD_TLS):
                yield Finding(
                    f"TLS {_OLD_TLS[version.text or '']} is {'still taken' if name.startswith('min') else 'the best'}",
                    "Who can make a client fall back to it reads its requests",
                    "write TLSV1_2, or leave it out",
                    version.path,
                )


@resource_policy(
    "istio-gateway-plain-http",
    MANDATORY,
    on=[GATEWAY],
    description="Plain HTTP at a Gateway leads to HTTPS, and nowhere else.",
    reason="Passwords and tokens cross the Internet as they are, and who is on the way answers in the site's name.",
    source="Istio: secure gateways; OWASP: transport layer security",
)
def gateway_plain_http(gateway: Subject, _: Setting) -> Iterator[Finding]:
    for server in gateway.spec["servers"]:
        port = server["port"]
        if port["protocol"].is_(*_PLAIN) and server.at("tls", "httpsRedirect").is_not(True):
            yield Finding(
                f"port {port['number'].shown} takes plain {port['protocol'].text}",
                "Passwords and tokens cross the Internet as they are",
                "add `tls: {httpsRedirect: true}`, and serve the hosts by HTTPS",
                server.path,
            )
