"""Routes, one VirtualService at a time: shares and retries."""

import re
from collections.abc import Iterator

from components.config.defaults import IDEMPOTENT_METHODS, RETRY_SAFE
from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.istio_gateways import VIRTUAL_SERVICE
from policies.resources import Subject
from policies.unknowns import Node, shown

PROTOCOLS = ("http", "tcp", "tls")


@resource_policy(
    "istio-route-weights",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="The weights of a route add up to 100.",
    reason="Istio takes them for shares of their sum: 10 beside 80 is a ninth, and nobody sees it.",
    source="Istio: VirtualService, RouteDestination (its source, pkg/config/validation, refuses a sum of 0 alone)",
)
def route_weights(route: Subject, _: Setting) -> Iterator[Finding]:
    for protocol in PROTOCOLS:
        for entry in route.spec[protocol]:
            targets = entry["route"]
            weights = [target["weight"] for target in targets]
            if not weights or not all(weight.complete for weight in weights):
                continue
            numbers = [weight.number for weight in weights if weight.number is not None]
            if len(weights) == 1 and numbers in ([], [100.0]):
                continue
            if len(numbers) < len(weights):
                what = (
                    f"{len(weights) - len(numbers)} of {len(weights)} destinations {_have(weights, numbers)} no weight"
                )
            elif sum(numbers) != 100:
                what = f"the weights add up to {shown(float(sum(numbers)))}"
            else:
                continue
            yield Finding(
                what,
                "Istio takes them for shares of their sum, and nobody sees what is meant",
                "make them add up to 100, each given",
                targets.path,
            )


def _have(weights: list[Node], numbers: list[float]) -> str:
    return "has" if len(weights) - len(numbers) == 1 else "have"


@resource_policy(
    "istio-retries-unsafe",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="A request that may have been answered is sent again only where it may be done twice.",
    reason="A payment that was booked and answered too late is booked again.",
    source="RFC 9110, 9.2.2; Envoy: x-envoy-retry-on",
)
def retries_unsafe(route: Subject, _: Setting) -> Iterator[Finding]:
    for entry in route.spec["http"]:
        retries = entry["retries"]
        attempts = retries["attempts"].number
        said = retries["retryOn"].text
        if said is None or attempts == 0:
            continue
        unsafe = [word for word in (part.strip() for part in said.split(",")) if word and word not in RETRY_SAFE]
        if unsafe and not _idempotent(entry["match"]):
            yield Finding(
                f"{', '.join(unsafe)}: requests are sent again that may have been done",
                "What must not be done twice, such as a payment, is",
                f"keep {', '.join(RETRY_SAFE)}, or match methods that may be done twice",
                retries["retryOn"].path,
            )


def _idempotent(matches: Node) -> bool:
    """Whether only methods match that may be done twice."""
    found = list(matches)
    return bool(found) and all(_methods(match["method"]) for match in found)


def _methods(method: Node) -> bool:
    exact, regex = method["exact"].text, method["regex"].text
    names = [exact] if exact is not None else (regex or "").strip("^$()").split("|")
    return all(re.fullmatch("[A-Z]+", name) and name in IDEMPOTENT_METHODS for name in names)
