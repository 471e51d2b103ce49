"""What proxies tell: expressions that Istio never reads, labels without a bound, and what is too much in production."""

from collections.abc import Iterator

from policies import cel
from policies.catalogue import ADVISORY, MANDATORY, Finding, Setting, resource_policy
from policies.resources import ISTIOD, RELEASE, Subject
from policies.unknowns import Node

TELEMETRY = "telemetry.istio.io/Telemetry"

_API = "Istio: Telemetry API"


def _tags(telemetry: Subject) -> Iterator[tuple[str, Node]]:
    """Name and expression of each tag."""
    for entry in telemetry.spec["metrics"]:
        for override in entry["overrides"]:
            for name, tag in override["tagOverrides"].items():
                if not tag["operation"].is_("REMOVE"):
                    yield name, tag["value"]


def _expressions(telemetry: Subject) -> Iterator[tuple[str, Node]]:
    for name, value in _tags(telemetry):
        yield f"tag `{name}`", value
    for entry in telemetry.spec["accessLogging"]:
        yield "the filter", entry.at("filter", "expression")


@resource_policy(
    "istio-telemetry-cel",
    MANDATORY,
    on=[TELEMETRY],
    description="Expressions of tags and filters are CEL that Envoy can evaluate.",
    reason="Istio hands them on unread: a wrong tag is `unknown` for ever, and a wrong filter refuses the listener.",
    source=f"{_API}; CEL language definition, macros: `has` takes a field (e.f)",
)
def telemetry_cel(telemetry: Subject, _: Setting) -> Iterator[Finding]:
    for name, value in _expressions(telemetry):
        text = value.text
        if not text:
            continue
        tree = cel.parsed(text)
        if tree is None:
            yield Finding(
                f"{name} is not CEL",
                "Envoy cannot evaluate it, and Istio does not say so",
                "write it as in `'user-type' in request.headers ? request.headers['user-type'] : 'anonymous'`",
                value.path,
            )
            continue
        for asked in dict.fromkeys(cel.wrong_has(tree)):
            container, index, key = asked.rpartition("[")
            yield Finding(
                f"{name} asks `has({asked})`, and `has` takes a field, not an index",
                "Envoy refuses the expression, and Istio does not say so",
                f"write `{key.rstrip(']')} in {container}`" if index else "ask for a field, as `has(request.path)`",
                value.path,
            )


@resource_policy(
    "istio-telemetry-cardinality",
    ADVISORY,
    on=[TELEMETRY],
    description="Labels of metrics have a bound.",
    reason="Every new value is a new time series in every proxy: who sends made-up headers fills their memory.",
    source="prometheus.io: metric and label naming; Istio: customizing metrics",
)
def telemetry_cardinality(telemetry: Subject, _: Setting) -> Iterator[Finding]:
    for name, value in _tags(telemetry):
        tree = cel.parsed(value.text or "")
        for attribute in cel.unbounded(tree) if tree is not None else ():
            yield Finding(
                f"label `{name}` is {attribute} as it comes",
                "Every new value is a new time series in every proxy and in Prometheus",
                "tell only whether it is there, or the values that are known and `other` for the rest",
                value.path,
            )


@resource_policy(
    "istio-telemetry-provider",
    MANDATORY,
    on=[TELEMETRY],
    description="What is told stands in one entry with whom it is told to.",
    reason="Entries stand for themselves: tags beside a provider's entry are not that provider's.",
    source=f"{_API}, Metrics and Tracing; tried in Istio 1.29",
)
def telemetry_provider(telemetry: Subject, _: Setting) -> Iterator[Finding]:
    for concern, words in (("metrics", ("overrides",)), ("tracing", ("customTags", "randomSamplingPercentage"))):
        entries = list(telemetry.spec[concern])
        named = [entry for entry in entries if entry["providers"].given]
        for entry in entries:
            said = next((word for word in words if entry[word].given), None)
            if said and named and entry.known and entry["providers"].missing:
                yield Finding(
                    f"`{said}` stands in an entry without `providers`, beside one that has them",
                    "It does not hold for the provider that the other entry names",
                    "make one entry of the two",
                    entry.path,
                )


@resource_policy(
    "istio-tracing-sampling",
    MANDATORY,
    on=[TELEMETRY, ISTIOD],
    production=True,
    description="In production a share of the requests is traced.",
    reason="Every span costs the proxy time and the collector room: all of them is a second load as big as the first.",
    source="Istio: trace sampling (default 1 %); performance and scalability",
)
def tracing_sampling(found: Subject, setting: Setting) -> Iterator[Finding]:
    if found.resource.type == RELEASE:
        shares = [found.value("traceSampling"), found.value("meshConfig", "defaultConfig", "tracing", "sampling")]
    else:
        shares = [entry["randomSamplingPercentage"] for entry in found.spec["tracing"]]
    for share in shares:
        number = share.number
        if number is not None and number > setting.parameters.max_sampling:
            yield Finding(
                f"{share.shown} % of the requests are traced",
                "Every span costs proxies time and collectors room",
                f"trace {setting.parameters.max_sampling} % at most, or raise "
                "`istio-mesh:policies.parameters.maxSampling`",
                share.path,
            )


@resource_policy(
    "istio-access-logs",
    MANDATORY,
    on=[TELEMETRY, ISTIOD],
    production=True,
    description="In production access logs have a filter.",
    reason="A line for each request of each proxy is what costs most at load, and holds addresses of people.",
    source="Istio: access logging, filter by Telemetry API; performance and scalability",
)
def access_logs(found: Subject, _: Setting) -> Iterator[Finding]:
    cure = "log what failed or was slow, by `filter.expression` of a Telemetry, as in `response.code >= 500`"
    if found.resource.type == RELEASE:
        file = found.value("meshConfig", "accessLogFile")
        if file.text:
            yield Finding(
                "every proxy writes a line for each request", "It is what costs most at load",
                f"set `accessLogFile` to the empty text, and {cure}", file.path,
            )  # fmt: skip
        return
    for entry in found.spec["accessLogging"]:
        if entry["disabled"].is_not(True) and entry.at("filter", "expression").missing and entry.known:
            yield Finding(
                "every proxy writes a line for each request", "It is what costs most at load", cure, entry.path
            )
