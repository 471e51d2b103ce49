"""What Envoy is told past Istio's own words: filters, and code of the platform's own."""

from collections.abc import Iterator

from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject
from policies.unknowns import Node

ENVOY_FILTER = "networking.istio.io/EnvoyFilter"
WASM_PLUGIN = "extensions.istio.io/WasmPlugin"

_TYPE = "@type"
_PREFIX = "type.googleapis.com/"
_RATE_LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_OLD_STRUCT = "udpa.type.v1.TypedStruct"

_OLD_NAMES = {
    f"envoy.{old}": f"envoy.filters.{new}"
    for old, new in {
        "http_connection_manager": "network.http_connection_manager",
        "tcp_proxy": "network.tcp_proxy",
        "ratelimit": "network.ratelimit",
        "router": "http.router",
        "lua": "http.lua",
        "cors": "http.cors",
        "fault": "http.fault",
        "buffer": "http.buffer",
        "gzip": "http.compressor",
        "ext_authz": "http.ext_authz",
        "rate_limit": "http.ratelimit",
        "grpc_web": "http.grpc_web",
        "grpc_json_transcoder": "http.grpc_json_transcoder",
        "health_check": "http.health_check",
        "squash": "http.squash",
    }.items()
}


def every(node: Node) -> Iterator[Node]:
    """A value with all that is below it."""
    yield node
    for _, item in node.items():
        yield from every(item)
    for item in node:
        yield from every(item)


@resource_policy(
    "istio-envoyfilter-deprecated",
    MANDATORY,
    on=[ENVOY_FILTER],
    description="EnvoyFilters use types, names and fields that Envoy still has.",
    reason="A proxy refuses the listener and keeps the one before: the change is nowhere, and a new pod never ready.",
    source="envoyproxy.io: API versioning and deprecated; Istio: EnvoyFilter",
)
def envoyfilter_deprecated(found: Subject, _: Setting) -> Iterator[Finding]:
    for patch in found.spec["configPatches"]:
        for node in every(patch):
            name = node["name"].text
            if name in _OLD_NAMES:
                yield _gone(f"the name `{name}`", f"`{_OLD_NAMES[name]}`", node["name"])
            type_ = node[_TYPE].text or ""
            plain = type_.removeprefix(_PREFIX)
            if plain == _OLD_STRUCT:
                yield _gone(
                    f"type `{plain}`", "the filter's own type as `@type`, or `xds.type.v3.TypedStruct`", node[_TYPE]
                )
            elif ".v2." in plain or ".v2alpha" in plain:
                yield _gone(f"type `{plain}` of API v2", "the type of v3", node[_TYPE])
            if node["append"].given and node["header"].given and node.known:
                yield _gone("`append`", "`append_action`", node["append"])
        value = patch.at("patch", "value")
        if value["config"].given and value["typed_config"].missing and value.known:
            yield _gone("`config` without a type", "`typed_config` with its `@type`", value["config"])


def _gone(what: str, instead: str, place: Node) -> Finding:
    return Finding(
        f"{what} is gone",
        "Proxies refuse the listener, keep the one before, and new pods are never ready",
        f"write {instead}",
        place.path,
    )


@resource_policy(
    "istio-rate-limit-enforced",
    MANDATORY,
    on=[ENVOY_FILTER],
    description="A local rate limit is enabled and enforced.",
    reason="Both shares are 0 % by default: the filter is there, and lets everything through.",
    source="envoyproxy.io: local rate limit, filter_enabled and filter_enforced; tried here",
)
def rate_limit_enforced(found: Subject, _: Setting) -> Iterator[Finding]:
    for patch in found.spec["configPatches"]:
        for node in every(patch):
            if node[_TYPE].is_(f"{_PREFIX}{_RATE_LIMIT}"):
                limit = node
            elif node["type_url"].is_(f"{_PREFIX}{_RATE_LIMIT}"):
                limit = node["value"]
            else:
                continue
            absent = [name for name in ("filter_enabled", "filter_enforced") if limit[name].missing]
            # Limits of a route are for the filter's own to be switched on by.
            if absent and limit["token_bucket"].given:
                yield Finding(
                    f"the limit has no {' and no '.join(absent)}",
                    "Both are 0 % by default: everything is let through",
                    f"add {' and '.join(f'`{name}`' for name in absent)} with `default_value: "
                    "{numerator: 100, denominator: HUNDRED}`",
                    limit.path,
                )


@resource_policy(
    "istio-wasm-pinned",
    MANDATORY,
    on=[WASM_PLUGIN],
    description="Wasm modules are pinned by their SHA-256.",
    reason="Who may write to where the module lies runs code of his own in every proxy, past mutual TLS.",
    source="Istio: WasmPlugin, sha256; SLSA, verified artifacts",
)
def wasm_pinned(plugin: Subject, _: Setting) -> Iterator[Finding]:
    url = plugin.spec["url"]
    text = url.text
    if text is None or text.startswith("file://") or "@sha256:" in text:
        return
    if plugin.spec["sha256"].missing:
        yield Finding(
            f"the module {url.shown} is not pinned by a sum",
            "Who may write there runs code of his own in the proxies",
            "add `sha256`, or name the image by its digest",
            "spec.sha256",
        )


@resource_policy(
    "istio-wasm-fail-open",
    MANDATORY,
    on=[WASM_PLUGIN],
    description="A module that decides who is let in refuses where it fails.",
    reason="Who makes it fail, by one odd request or by keeping the module away, is let in.",
    source="Istio: WasmPlugin, failStrategy; CWE-636",
)
def wasm_fail_open(plugin: Subject, _: Setting) -> Iterator[Finding]:
    strategy = plugin.spec["failStrategy"]
    phase = plugin.spec["phase"]
    if strategy.is_("FAIL_OPEN", "FAIL_RELOAD_OPEN") and phase.is_("AUTHN", "AUTHZ"):
        yield Finding(
            f"the module decides who is let in ({phase.text}), and lets everybody in where it fails",
            "Who makes it fail is let in",
            "write FAIL_CLOSE",
            strategy.path,
        )
