"""What Envoy does for a service beyond Istio's own words: limits of requests, and `istio-mesh:extensions`, Wasm."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from components.config import defaults
from components.config.access import AccessConfig
from components.config.faults import Fault, invalid
from components.config.model import Model
from components.config.names import ServiceName
from components.config.ports import HTTP_PROTOCOLS, SEALED_PROTOCOLS
from components.config.values import ByteSize, DnsLabel, Duration, matching

MOST_REQUESTS = 2**32 - 1
"""Of a token bucket (Envoy: uint32)."""


class RateLimitConfig(Model):
    """So many requests in so much time; the next one is answered 429. Counted by each proxy for itself.

    The proxy of every pod has a bucket of its own: ten pods of a service admit ten times as much. The bucket is full
    at first and fills evenly, so that a pause of half of `per` gives half of `requests` back.
    """

    requests: Annotated[int, Field(ge=1, le=MOST_REQUESTS, examples=[100])]
    """Requests that one proxy lets through in `per`."""

    per: Annotated[Duration, Field(examples=["60s"])]
    """The time in which the bucket fills again."""

    scope: Literal["proxy"] = "proxy"
    """Who counts; default proxy: each for itself, the only choice there is now."""


def protection_faults(
    *,
    access: AccessConfig | None,
    rate_limit: RateLimitConfig | None,
    max_request_body: ByteSize | None,
    protocols: Mapping[str, str | None],
    streams: bool,
) -> Iterator[Fault]:
    """Faults of a service whose ports, by name, have these protocols; `streams` where a route of it is a stream."""
    spoken = set(protocols.values())
    if not spoken & HTTP_PROTOCOLS:
        for where, said in (
            (("access",), access is not None),
            (("rateLimit",), rate_limit is not None),
            (("maxRequestBody",), max_request_body is not None),
        ):
            if said:
                yield Fault(
                    "the service has no HTTP port",
                    "Proxies see no requests on its ports, only connections, and it would be ignored",
                    "Name an HTTP port, as in `http: 8080`, or take it out",
                    where,
                )
    elif max_request_body is not None and not spoken & BUFFERED:
        yield Fault(
            "the service's only requests are gRPC",
            "A proxy holds a request back until all of it has come, and a stream would never begin",
            "Take it out, and limit the size of messages in the server",
            ("maxRequestBody",),
        )
    elif max_request_body is not None and streams:
        yield Fault(
            "a route of the service is a stream",
            "A proxy holds a request back until all of it has come, and a stream would never begin",
            "Take it out, or make the streams a service of their own",
            ("maxRequestBody",),
        )
    if not spoken & HTTP_PROTOCOLS or access is None or access.jwt is None:
        return
    for name, protocol in protocols.items():
        if protocol in SEALED_PROTOCOLS:
            yield Fault(
                f"connections of `{name}` are sealed by the application",
                "Proxies see no token in them: what `access.jwt` closes would be open to every declared caller there",
                "Let it be plain, as in `http` or `grpc` (the mesh seals it), or make it a service of its own",
                ("ports", name),
            )


BUFFERED = HTTP_PROTOCOLS - {"grpc", "grpc-web"}
"""Protocols whose requests end before they are answered, and can be held back until their size is known."""


_Sha256 = Annotated[
    str,
    matching(
        re.compile(r"[0-9a-f]{64}"),
        "a SHA-256 sum",
        "No file has it, and every proxy would refuse the extension",
        "Write the 64 lower-case digits that `sha256sum` prints",
    ),
]


def _url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("oci", "https", "http", "file") or not (url.hostname or url.scheme == "file"):
        raise invalid(
            f"`{value}` is not where a Wasm module can be",
            "No proxy could fetch it",
            "Write it with its scheme, as in `oci://registry.example.com/exam-integrity:1.0` or `https://...`",
        )
    if "@" in value and url.scheme == "oci" and not re.search(r"@sha256:[0-9a-f]{64}$", value):
        raise invalid(
            f"`{value}` has a digest that is none",
            "No image has it, and every proxy would refuse the extension",
            "Write it as in `oci://registry.example.com/exam-integrity@sha256:` and 64 lower-case digits",
        )
    return value


class WasmConfig(Model):
    """A Wasm module in the proxies of services, for requests that come in to them."""

    url: Annotated[str, AfterValidator(_url), Field(examples=["oci://registry.example.com/exam-integrity:1.0"])]
    """The module: an OCI image, or a file by https, http or file (a path in the proxy's own image)."""

    sha256: _Sha256 | None = None
    """Sum of the module; needed unless `url` has a digest. What has another sum is not run."""

    services: Annotated[tuple[ServiceName, ...], Field(min_length=1, examples=[["exam/exam-service"]])]
    """The services whose pods' proxies run it."""

    phase: Literal["authn", "authz", "stats"] | None = None
    """Before Istio's own filters of that kind; default: after all of them, before the application."""

    on_failure: Literal["refuse", "pass"] = defaults.WASM_ON_FAILURE
    """Where the module cannot be had or breaks: refuse the requests, or let them pass without it; default refuse.

    A proxy that cannot fetch it tries again for a few seconds, and then no more until its configuration changes.
    """

    pull_secret: DnsLabel | None = None
    """A Secret of type kubernetes.io/dockerconfigjson in the service's namespace; for `oci` alone."""

    pull_policy: Literal["IfNotPresent", "Always"] = "IfNotPresent"
    """When proxies fetch it again; default IfNotPresent: what is pinned by its sum does not change."""

    configuration: dict[str, Any] = Field(default={})
    """What the module is given, as JSON; default: nothing. Not for secrets: it is readable to whoever may read
    WasmPlugins."""

    def faults(self) -> Iterator[Fault]:
        digest = self.url.rpartition("@sha256:")[2] if "@sha256:" in self.url else None
        if self.sha256 is None and digest is None:
            yield Fault(
                "the module is not pinned by a sum",
                "What proxies run could be replaced by whoever may write to where it lies",
                "Add `sha256`, the sum of the module, or for an OCI image a digest: `...@sha256:...`",
                ("sha256",),
            )
        if self.sha256 is not None and digest is not None and self.sha256 != digest:
            yield Fault(
                f"it is {self.sha256}, and `url` has {digest}",
                "No image has both, and every proxy would refuse the extension",
                "Keep one of them; for an image both are its digest",
                ("sha256",),
            )
        if self.pull_secret is not None and not self.url.startswith("oci:"):
            yield Fault(
                "the module is not an OCI image",
                "Nothing would be asked with it",
                "Take it out, or give `url` as `oci://...`",
                ("pullSecret",),
            )
        if self.on_failure == "pass" and self.phase in ("authn", "authz"):
            yield Fault(
                f"requests would pass without the module in the phase `{self.phase}`",
                "Whoever keeps the module from being fetched switches the check off",
                "Take `onFailure` out, or the phase where it checks nobody",
                ("onFailure",),
            )
        for index, service in enumerate(self.services):
            if service in self.services[:index]:
                yield Fault(
                    f"`{service}` is named twice", "One of them is a mistake", "Name it once", ("services", index)
                )


class ExtensionsConfig(Model):
    """Code of the platform's own in its proxies."""

    wasm: dict[DnsLabel, WasmConfig] = Field(default={})
    """Wasm modules, by name; default: none."""


def extensions_references(config: ExtensionsConfig, services: Mapping[str, Collection[str | None]]) -> Iterator[Fault]:
    """Faults between extensions and services, relative to `istio-mesh:extensions`.

    `services` are the protocols of each service's ports, by its name.
    """
    for name, module in config.wasm.items():
        for index, service in enumerate(module.services):
            where = ("wasm", name, "services", index)
            if service not in services:
                yield Fault(
                    f"there is no service `{service}`",
                    "The module would run nowhere",
                    "Add it to `istio-mesh:services`, or name another one",
                    where,
                )
            elif not HTTP_PROTOCOLS & set(services[service]):
                yield Fault(
                    f"`{service}` has no HTTP port",
                    "The module is given requests, and proxies see none on its ports",
                    "Name an HTTP port of the service, or take it out",
                    where,
                )
