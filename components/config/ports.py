"""Ports of a service and their protocols, and the public hosts whose requests go to them."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from components.config.faults import Fault, invalid
from components.config.model import Model
from components.config.names import PathPattern
from components.config.values import DnsLabel, Host, Port
from components.naming import DNS_SUBDOMAIN_LIMIT, public_route

HTTP_PROTOCOLS = frozenset({"http", "http2", "grpc", "grpc-web"})
"""Protocols whose requests the proxies see."""

SEALED_PROTOCOLS = frozenset({"tls", "https"})
"""Protocols of which they see the name that is asked for, and no more."""

STREAM_PROTOCOLS = SEALED_PROTOCOLS | {"tcp", "mongo", "mysql", "redis"}
"""Protocols of which they see connections alone."""

PROTOCOLS = HTTP_PROTOCOLS | STREAM_PROTOCOLS
"""All that may be named: those that Istio reads from a port's name and a Service may have (istio.io: protocol
selection)."""


class PortConfig(Model):
    """A port: its number, or number and protocol where the name's first word is not the protocol."""

    number: Annotated[Port, Field(examples=[8080])]
    """Port of the Service."""

    protocol: Annotated[str, Field(examples=["http"])] | None = None
    """How it is spoken: http, http2, grpc, grpc-web, tls, https, tcp, mongo, mysql or redis; default: the first word of
    the port's name."""

    def faults(self) -> Iterator[Fault]:
        if self.protocol is not None and self.protocol not in PROTOCOLS:
            yield Fault(
                f"`{self.protocol}` is not a protocol that proxies know",
                "Istio would take the port for plain TCP, and routes, roles and limits would not hold on it",
                f"Take one of {', '.join(sorted(PROTOCOLS))}",
                ("protocol",),
            )

    @model_validator(mode="before")
    @classmethod
    def _number(cls, written: Any) -> Any:
        if isinstance(written, int) and not isinstance(written, bool):
            if not 1 <= written <= 65_535:
                raise invalid(f"{written} is not a port", "Ports go from 1 to 65535", "Write the Service's port")
            return {"number": written}
        return written

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _or(handler.resolve_ref_schema(handler(schema)), {"type": "integer", "minimum": 1, "maximum": 65_535})


def protocol_of(name: str, port: PortConfig) -> str | None:
    """The protocol of a port: what it says, or the first word of its name; None when that is not one."""
    if port.protocol is not None:
        return port.protocol if port.protocol in PROTOCOLS else None
    # `grpc-web` is the one protocol of two words.
    if name == "grpc-web" or name.startswith("grpc-web-"):
        return "grpc-web"
    word = name.partition("-")[0]
    return word if word in PROTOCOLS else None


_HOST = TypeAdapter[str](Host)


class PublicHostConfig(Model):
    """A public host whose requests the ingress routes to the service; or a text, the host with all its paths."""

    host: Annotated[Host, Field(examples=["api.exam-platform.com"])]
    """One of the ingress's hosts."""

    paths: Annotated[tuple[PathPattern, ...], Field(min_length=1, examples=[["/exam/*"]])] = ("/*",)
    """Paths of it that are the service's; default all. Of two services on one host the narrower path wins."""

    port: Annotated[DnsLabel, Field(examples=["http"])] | None = None
    """The service's port that gets them, by name; default `http`, or its only HTTP port."""

    @model_validator(mode="before")
    @classmethod
    def _text(cls, written: Any) -> Any:
        # Checked here, so that a fault stands at the text and not at a key that the file does not have.
        return {"host": _HOST.validate_python(written)} if isinstance(written, str) else written

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _or(handler.resolve_ref_schema(handler(schema)), {"type": "string"})

    def faults(self) -> Iterator[Fault]:
        if len(name := public_route(self.host)) > DNS_SUBDOMAIN_LIMIT:
            # In the short form there is no key `host`: the fault stands at the text.
            place = ("host",) if self.model_fields_set != {"host"} else ()
            yield Fault(
                f"the VirtualService of this host would have a name of {len(name)} characters",
                f"The API server takes {DNS_SUBDOMAIN_LIMIT} at most (RFC 1123), and no request would reach the "
                "service by it",
                "Shorten it",
                place,
            )
        for index, path in enumerate(self.paths):
            if path in self.paths[:index]:
                yield Fault(f"`{path}` is named twice", "One of them is a mistake", "Name it once", ("paths", index))


def _or(model: JsonSchemaValue, short: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a model that may be written in a short form too; its description stays where editors look."""
    description = model.pop("description", "")
    return {"description": description, "anyOf": [short, dict(model)]}
