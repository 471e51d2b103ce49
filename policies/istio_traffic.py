"""DestinationRules: what happens when endpoints fail."""

from collections.abc import Iterator

from policies.catalogue import ADVISORY, MANDATORY, Finding, Setting, resource_policy
from policies.istio_gateways import VIRTUAL_SERVICE
from policies.istio_security import DESTINATION_RULE, traffic_policies
from policies.resources import Subject
from policies.unknowns import Node

_TRIED = "tried here with Envoy 1.40: of two endpoints none is ejected below 50 %, and not the last one below 100 %"
_OUTLIERS = (
    "consecutiveErrors",
    "consecutiveGatewayErrors",
    "consecutive5xxErrors",
    "interval",
    "baseEjectionTime",
    "maxEjectionPercent",
    "minHealthPercent",
)


def _locality(policy: Node) -> Node | None:
    """Its settings by region, unless they are off."""
    locality = policy.at("loadBalancer", "localityLbSetting")
    on = locality["enabled"].missing or locality["enabled"].is_(True)
    return locality if on and locality.given else None


@resource_policy(
    "istio-locality-conflict",
    MANDATORY,
    on=[DESTINATION_RULE],
    description="Traffic is either distributed over regions or fails over between them.",
    reason="Istio refuses both together, and an older one took `distribute` and dropped the failover.",
    source="Istio: DestinationRule, LocalityLoadBalancerSetting",
)
def locality_conflict(rule: Subject, _: Setting) -> Iterator[Finding]:
    for policy in traffic_policies(rule):
        locality = _locality(policy)
        if locality is None or not locality["distribute"].given:
            continue
        other = next((name for name in ("failover", "failoverPriority") if locality[name].given), None)
        if other is not None:
            yield Finding(
                f"there is `distribute` with `{other}`", "Istio refuses it", "keep one of the two", locality.path
            )


@resource_policy(
    "istio-locality-outliers",
    MANDATORY,
    on=[DESTINATION_RULE],
    description="Beside settings by region stands an outlier detection that may eject every endpoint.",
    reason="Without one Istio does not see that endpoints are bad; with less than 100 % the last bad ones of a region "
    "keep their requests.",
    source=f"Istio: locality failover; {_TRIED}",
)
def locality_outliers(rule: Subject, _: Setting) -> Iterator[Finding]:
    for policy in traffic_policies(rule):
        locality = _locality(policy)
        outliers = policy["outlierDetection"]
        if locality is None:
            continue
        if outliers.missing:
            yield Finding(
                "there is no outlier detection beside it",
                "Istio does not see that endpoints are bad, and requests stay with them",
                "add `outlierDetection` with `maxEjectionPercent: 100`",
                locality.path,
            )
        elif outliers["maxEjectionPercent"].is_not(100):
            percent = outliers["maxEjectionPercent"]
            yield Finding(
                f"the outlier detection beside the regions ejects {percent.shown if percent.given else '10'} % at most",
                "The last bad endpoints of a region keep their requests, and nothing fails over",
                "set `maxEjectionPercent: 100`",
                outliers.path,
            )


@resource_policy(
    "istio-outliers-few",
    ADVISORY,
    on=[DESTINATION_RULE],
    description="An outlier detection ejects endpoints of small services too.",
    reason="The default of 10 % ejects none of fewer than ten: Envoy rounds down.",
    source=f"Istio: DestinationRule, OutlierDetection; {_TRIED}",
)
def outliers_few(rule: Subject, _: Setting) -> Iterator[Finding]:
    for policy in traffic_policies(rule):
        outliers = policy["outlierDetection"]
        percent = outliers["maxEjectionPercent"]
        number = percent.number
        if outliers.missing or _locality(policy) is not None:
            continue
        if percent.missing or (number is not None and number < 50):
            yield Finding(
                f"at most {percent.shown if percent.given else '10'} % of the endpoints are ejected",
                f"That is none of fewer than {_least(number)}: Envoy rounds down",
                "set `maxEjectionPercent: 100`, or as many as the service can do without",
                outliers.path,
            )


def _least(percent: float | None) -> int:
    """Endpoints of which one may be ejected."""
    return -(-100 // int(percent or 10))


@resource_policy(
    "istio-outliers-misplaced",
    MANDATORY,
    on=[DESTINATION_RULE],
    description="Outlier detection is a block of its own.",
    reason="In `connectionPool.http` the API server drops its fields without a word, and nothing is ejected.",
    source="Istio: DestinationRule, ConnectionPoolSettings.HTTPSettings",
)
def outliers_misplaced(rule: Subject, _: Setting) -> Iterator[Finding]:
    for policy in traffic_policies(rule):
        http = policy.at("connectionPool", "http")
        names = [name for name in _OUTLIERS if http[name].given]
        if names and http.known:
            yield Finding(
                f"{', '.join(names)} {'stand' if len(names) > 1 else 'stands'} in the connection pool",
                "There is no such field there: it is dropped or refused, and nothing is ejected",
                "move it into `outlierDetection`",
                http.path,
            )


@resource_policy(
    "istio-deprecated-fields",
    MANDATORY,
    on=[DESTINATION_RULE, VIRTUAL_SERVICE],
    description="Fields that Istio has given up are not used.",
    reason="They do nothing today, or something else than they say, and one day they are errors.",
    source="Istio: DestinationRule and VirtualService, deprecated fields; istio.io/api source",
)
def deprecated_fields(found: Subject, _: Setting) -> Iterator[Finding]:
    if found.resource.key == DESTINATION_RULE:
        for policy in traffic_policies(found):
            simple = policy.at("loadBalancer", "simple")
            if simple.is_("LEAST_CONN"):
                yield Finding(
                    "LEAST_CONN is gone", "Istio takes it for LEAST_REQUEST", "write LEAST_REQUEST", simple.path
                )
            errors = policy.at("outlierDetection", "consecutiveErrors")
            if errors.given and policy["outlierDetection"].known:
                yield Finding(
                    "`consecutiveErrors` is gone",
                    "Nothing is ejected by it",
                    "write `consecutive5xxErrors`",
                    errors.path,
                )
        return
    for entry in found.spec["http"]:
        for way, instead in _GIVEN_UP.items():
            field = entry.at(*way)
            if entry.known and field.given and field.known:
                yield Finding(
                    f"`{way[-1]}` is given up",
                    "One day Istio ignores it, or refuses it",
                    f"write {instead}",
                    field.path,
                )


_GIVEN_UP = {
    ("mirror",): "`mirrors`, with a percentage each",
    ("mirrorPercent",): "`mirrors`, with a percentage each",
    ("corsPolicy", "allowOrigin"): "`corsPolicy.allowOrigins`",
    ("fault", "delay", "percent"): "`fault.delay.percentage.value`",
    ("websocketUpgrade",): "nothing: WebSockets work without it",
    ("appendHeaders",): "`headers.request.add`",
    ("removeResponseHeaders",): "`headers.response.remove`",
}
