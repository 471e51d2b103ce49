"""The pages of docs/reference: every key of a stack file, from the models.

What is told of a key is the docstring of its field, as in the JSON schema (schema.py); examples are in docs/examples.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import getdoc
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from components.config import defaults
from components.config.faults import NAMESPACE
from components.config.model import Model
from components.config.reference.examples import Example, examples, stack
from components.config.reference.made import MADE
from components.config.reference.wording import (
    VALUES,
    Wording,
    documented,
    hints,
    joined,
    key_of,
    meaning_and_default,
    models_in,
    title,
    yaml_of,
)
from components.config.stack import StackConfig
from components.config.support import EKS_SUPPORTED, SUPPORTED, WARN_BEFORE

FOLDER = Path(__file__).parents[3] / "docs" / "reference"

COMMAND = "make reference"
"""What renews the pages."""

_NOTE = "<!-- Written by `make reference` from components/config and docs/examples: what is changed here is lost. -->"

REASONS: Mapping[str, tuple[str, ...]] = {
    "ISTIOD_REPLICAS": ("IstiodConfig.replicas",),
    "ISTIOD_TARGET_CPU": ("IstiodConfig.target_cpu",),
    "ISTIOD_RESOURCES": ("IstiodConfig.resources",),
    "GATEWAY_REPLICAS": ("IngressConfig.replicas", "EastWestConfig.replicas"),
    "GATEWAY_TARGET_CPU": ("IngressConfig.target_cpu", "EastWestConfig.target_cpu"),
    "GATEWAY_RESOURCES": ("IngressConfig.resources", "EastWestConfig.resources"),
    "GATEWAY_DRAIN_AT_LEAST": ("DrainConfig.at_least",),
    "GATEWAY_DRAIN_AT_MOST": ("DrainConfig.at_most",),
    "PROXY_RESOURCES": ("ProxiesConfig.resources",),
    "ROOT_LIFETIME": ("GeneratedRoot.lifetime",),
    "INTERMEDIATE_LIFETIME": ("IntermediatesConfig.lifetime",),
    "INTERMEDIATE_WARNING": ("IntermediatesConfig.warn_before",),
    "WORKLOAD_LIFETIME": ("WorkloadCertificatesConfig.lifetime",),
    "MAX_WORKLOAD_LIFETIME": ("WorkloadCertificatesConfig.max_lifetime",),
    "GENERATED_TLS_LIFETIME": ("GeneratedTls.lifetime",),
    "CALLERS": ("ServiceConfig.callers",),
    "WASM_ON_FAILURE": ("WasmConfig.on_failure",),
    "TIMEOUT": ("ServiceConfig.timeout",),
    "STREAM_IDLE": ("ServiceConfig.idle_timeout",),
    "RETRY_ATTEMPTS": ("RetriesConfig.attempts",),
    "CONNECT_TIMEOUT": ("PoolConfig.connect_timeout",),
    "MAX_CONNECTIONS": ("PoolConfig.max_connections",),
    "MAX_PENDING_REQUESTS": ("PoolConfig.max_pending_requests",),
    "MAX_REQUESTS": ("PoolConfig.max_requests",),
    "MAX_RETRIES": ("PoolConfig.max_retries",),
    "CONNECTION_IDLE": ("PoolConfig.idle_timeout",),
    "CONNECTION_LIFE": ("PoolConfig.max_connection_duration",),
    "LOAD_BALANCING": ("SettingsConfig.load_balancing", "TrafficConfig.load_balancing"),
    "EJECT_AFTER": ("OutliersConfig.consecutive_errors",),
    "EJECTION_INTERVAL": ("OutliersConfig.interval",),
    "EJECTION_TIME": ("OutliersConfig.ejection_time",),
    "MAX_EJECTION_PERCENT": ("OutliersConfig.max_ejection_percent",),
    "PUBLIC_PATHS": ("AccessConfig.public",),
    "ROLES_CLAIM": ("IssuerConfig.roles_claim",),
    "SAMPLING": ("TracingConfig.sampling",),
    "LOG_STATUS_FROM": ("AccessLogsConfig.status_from",),
    "LOG_SLOWER_THAN": ("AccessLogsConfig.slower_than",),
    "ABSENT": ("MetricTagConfig.absent",),
    "PROMETHEUS_RESOURCES": ("PrometheusConfig.resources",),
    "GRAFANA_RESOURCES": ("GrafanaConfig.resources",),
    "JAEGER_RESOURCES": ("JaegerConfig.resources",),
    "KIALI_RESOURCES": ("KialiConfig.resources",),
    "METRICS_RETENTION": ("PrometheusConfig.retention",),
    "METRICS_STORAGE": ("PrometheusConfig.storage",),
    "VIEW_RETENTION": ("PrometheusConfig.view_retention",),
    "VIEW_STORAGE": ("PrometheusConfig.view_storage",),
    "GRAFANA_STORAGE": ("GrafanaConfig.storage",),
    "TRACES_KEPT": ("JaegerConfig.traces",),
    "JWKS_REFRESH": ("TuningConfig.jwks_refresh",),
    "BLOCKED_JWKS_RANGES": ("TuningConfig.blocked_jwks_ranges",),
    "PRODUCTION_STACKS": ("ParametersConfig.production_stacks",),
    "REQUIRED_TAGS": ("ParametersConfig.tags",),
    "INGRESS_PORTS": ("ParametersConfig.ingress_ports",),
    "END_OF_SUPPORT": ("ParametersConfig.end_of_support",),
    "MAX_SAMPLING": ("ParametersConfig.max_sampling",),
    "WITHOUT_INJECTION": ("ParametersConfig.without_injection",),
    "VPC_PREFIX": ("AwsNetworkConfig.vpc_prefix",),
    "NAT": ("AwsNetworkConfig.nat",),
    "FLOW_LOGS_DAYS": ("FlowLogsConfig.retention_days",),
    "CONTROL_PLANE_LOGS_DAYS": ("AwsLogsConfig.retention_days",),
    "KEY_DELETION_DAYS": ("KeysConfig.deletion_window_days",),
    "DELETION_PROTECTION": ("AwsConfig.deletion_protection",),
    "ZONAL_SHIFT": ("AwsConfig.zonal_shift",),
    "NODE_IMAGE": ("NodeGroupConfig.image",),
    "NODE_DISK": ("NodeGroupConfig.disk_gib",),
    "HEALTH_CHECK_INTERVAL": ("HealthCheckConfig.interval",),
    "HEALTH_CHECK_FAILURES": ("HealthCheckConfig.failures",),
}
"""The fields that a constant of defaults.py is the default of; the others cannot be set."""


@dataclass(frozen=True)
class Place:
    """Where a model is told, and where it stands in the file."""

    page: str
    path: str
    """The shortest, as in `istio-mesh:services.<service>.canary`."""


def pages() -> tuple[str, ...]:
    """The values of the namespace, in the order in which a stack says them."""
    return tuple(key_of(name, field) for name, field in StackConfig.model_fields.items())


@cache
def places() -> Mapping[type[Model], Place]:
    """Every model below the stack, on the first page that has it."""
    found: dict[type[Model], Place] = {}
    types = hints(StackConfig)
    for name, field in StackConfig.model_fields.items():
        page = key_of(name, field)
        # Breadth first: the path that is told is the shortest.
        waiting = [(model, f"{NAMESPACE}:{page}{step}") for model, step in models_in(types[name])]
        while waiting:
            model, path = waiting.pop(0)
            if model in found:
                continue
            found[model] = Place(page, path)
            inner = hints(model)
            waiting += [
                (below, f"{path}.{key_of(key, entry)}{step}")
                for key, entry in model.model_fields.items()
                for below, step in models_in(inner[key])
            ]
    return found


def anchor(heading: str) -> str:
    """Where a heading is found, as GitHub names it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def rendered() -> dict[Path, str]:
    """The text of every page, by its file."""
    made: dict[str, Iterator[str]] = {
        "index": _index(),
        **{page: _page(page) for page in pages()},
        "defaults": _defaults(),
        "made": _made(),
    }
    return {FOLDER / f"{name}.md": "\n".join([_NOTE, "", *lines]).rstrip("\n") + "\n" for name, lines in made.items()}


def write() -> None:
    """Writes the pages, and takes those away that there are no more."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    texts = rendered()
    for stale in set(FOLDER.glob("*.md")) - set(texts):
        stale.unlink()
    for file, text in texts.items():
        file.write_text(text)


def _wording(page: str) -> Wording:
    """Words with links as they are on one page."""

    def target(other: str, heading: str) -> str:
        return f"{'' if other == page else f'{other}.md'}#{anchor(heading)}"

    values = {value.words: target("index", value.words) for value in VALUES if value.shown}
    return Wording({**values, **{model: target(place.page, title(model)) for model, place in places().items()}})


def _page(page: str) -> Iterator[str]:
    name, field = next((name, field) for name, field in StackConfig.model_fields.items() if key_of(name, field) == page)
    wording = _wording(page)
    meaning, default = meaning_and_default(StackConfig, name, field)
    yield from (f"# `{NAMESPACE}:{page}`", "")
    yield from (f"{meaning} Type: {wording.say(hints(StackConfig)[name])}. Default: {default}.", "")
    yield from (
        "All pages: [index](index.md). Reasons of defaults: [defaults](defaults.md). The examples stand in "
        f"[{_question(stack())}](index.md#{anchor(stack().title)}).",
        "",
    )
    yield from ("## How do I ...", "")
    yield from (f"- [{_question(example)}](#{anchor(example.title)})" for example in examples(page))
    for example in examples(page):
        yield from _example(example)
    yield from ("", "## Keys", "")
    told = [model for model, place in places().items() if place.page == page]
    yield from (f"- [{title(model)}](#{anchor(title(model))}): `{places()[model].path}`" for model in told)
    for model in told:
        yield from _model(model, wording)
    if page == "mesh":
        yield from _supported()
    if page == "clusters":
        yield from _eks_supported()


def _question(example: Example) -> str:
    return f"{example.title[0].lower()}{example.title[1:]}"


def _example(example: Example) -> Iterator[str]:
    yield from ("", f"### {example.title}", "")
    if example.text:
        yield from (example.text, "")
    yield from ("```yaml", *example.yaml.rstrip("\n").split("\n"), "```")


def _model(model: type[Model], wording: Wording) -> Iterator[str]:
    yield from ("", f"### {title(model)}", "", f"`{places()[model].path}`", "")
    for paragraph in re.split(r"\n\s*\n", getdoc(model) or ""):
        yield from (joined(paragraph), "")
    rows: list[tuple[str, ...]] = []
    types = hints(model)
    for name, field in model.model_fields.items():
        meaning, default = meaning_and_default(model, name, field)
        reason = _reason(model, name, default)
        rows.append((f"`{key_of(name, field)}`", wording.say(types[name]), reason or default, meaning))
    yield from _table(("Key", "Value", "Default", "Meaning"), rows)


def _reason(model: type[BaseModel], name: str, default: str) -> str | None:
    """The default with a link to its reason; raises ValueError where the docstring says another value."""
    constant = next((found for found, fields in REASONS.items() if f"{model.__name__}.{name}" in fields), None)
    if constant is None:
        return None
    value = yaml_of(getattr(defaults, constant))
    section = next(section for section, constants in sections().items() if constant in constants)
    if value == "[]":
        # What none of them comes to is said in words.
        return f"[{default}](defaults.md#{anchor(section)})"
    said, _, rest = default.partition(",") if not default.startswith(("`[", "`{")) else (default, "", "")
    if said.replace("`", "") != value:
        raise ValueError(f"{model.__name__}.{name}: its default is said to be {default}, and {constant} is {value}")
    return f"[`{value}`](defaults.md#{anchor(section)})" + (f",{rest}" if rest else "")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)


def _supported() -> Iterator[str]:
    yield from ("", "## Versions", "", "A pair of Istio and Kubernetes that is not in this table is refused.", "")
    yield from _table(
        ("Istio", "Kubernetes", "End of life"),
        [(row.istio, row.kubernetes_range, f"{row.end_of_life or 'not yet known'}") for row in SUPPORTED],
    )


def _eks_supported() -> Iterator[str]:
    yield from ("", "## Versions of EKS", "")
    yield from (
        "A version that is not in this table is refused, and so is one that the mesh's Istio does not take. The end of "
        f"its support is warned of from {WARN_BEFORE.days} days before on.",
        "",
    )
    yield from _table(
        ("EKS", "End of standard support"),
        [(row.version, f"{row.end_of_support or 'not yet known'}") for row in EKS_SUPPORTED],
    )


def _index() -> Iterator[str]:
    wording = _wording("index")
    types = hints(StackConfig)
    yield from ("# Reference of a stack file", "")
    yield from (
        "Everything that a `Pulumi.<stack>.yaml` may say below `config:`, in the order in which a reader meets it. A "
        "key that is not here is refused, and so is a stack whose parts contradict each other: the message says where, "
        "what would come of it and how to mend it. An editor with a YAML language server completes and checks the file "
        f"by `schema/{NAMESPACE}.schema.json`.",
        "",
    )
    rows: list[tuple[str, ...]] = []
    for name, field in StackConfig.model_fields.items():
        meaning, default = meaning_and_default(StackConfig, name, field)
        page = key_of(name, field)
        rows.append((f"[`{NAMESPACE}:{page}`]({page}.md)", wording.say(types[name]), default, meaning))
    yield from _table(("Value", "Type", "Default", "Meaning"), rows)
    yield from ("", "- [Defaults and their reasons](defaults.md)", "- [What a service turns into](made.md)")
    yield from ("", "## How do I ...")
    for page in pages():
        yield from ("", f"[`{page}`]({page}.md)", "")
        yield from (f"- [{_question(example)}]({page}.md#{anchor(example.title)})" for example in examples(page))
    whole = stack()
    yield from ("", f"## {whole.title}", "", whole.text, "", "```yaml")
    yield from (*whole.yaml.rstrip("\n").split("\n"), "```")
    yield from ("", "## Kinds of values", "")
    for value in VALUES:
        if value.shown:
            yield from (f"### {value.words[0].upper()}{value.words[1:]}", "", value.meaning, "")


@cache
def sections() -> Mapping[str, tuple[str, ...]]:
    """The constants of defaults.py by the comments that stand above them: `# Routes.`"""
    assert defaults.__file__ is not None
    found: dict[str, list[str]] = {}
    names = documented(defaults)
    section = ""
    for line in Path(defaults.__file__).read_text().split("\n"):
        if heading := re.fullmatch(r"# (\w+)\.", line):
            section = heading[1]
        name = line.partition(" = ")[0]
        if name in names:
            found.setdefault(section, []).append(name)
    return {heading: tuple(constants) for heading, constants in found.items()}


def _defaults() -> Iterator[str]:
    yield from ("# Defaults and their reasons", "")
    yield from (
        "What a stack gets that does not say it. Each is what an operator would otherwise learn from an incident. "
        "Sizes are those of production; `Pulumi.local.yaml` has those of a small machine.",
        "",
    )
    wording = _wording("defaults")
    reasons = documented(defaults)
    for section, constants in sections().items():
        yield from (f"## {section}", "")
        rows: list[tuple[str, ...]] = []
        for constant in constants:
            keys = [_field(path) for path in REASONS.get(constant, ())]
            rows.append(
                (
                    _named(constant),
                    f"`{yaml_of(_sorted(getattr(defaults, constant)))}`",
                    " and ".join(f"`{key}` of {wording.say(model)}" for model, key in keys) or "cannot be set",
                    reasons[constant],
                )
            )
        yield from _table(("Default", "Value", "Key", "Reason"), rows)
        yield ""


def _named(constant: str) -> str:
    """`MAX_RETRIES` as a reader has it."""
    words = constant.replace("_", " ").capitalize()
    for word in ("TCP", "TLS", "JWKS", "NAT", "VPC", "istiod"):
        words = re.sub(rf"\b{word}\b", word, words, flags=re.IGNORECASE)
    return words


def _sorted(value: Any) -> Any:
    return sorted(cast(frozenset[str], value)) if isinstance(value, frozenset) else value


def _field(path: str) -> tuple[type[Model], str]:
    """The model and the key of `ServiceConfig.timeout`."""
    name, _, field = path.partition(".")
    model = next(found for found in places() if found.__name__ == name)
    return model, key_of(field, model.model_fields[field])


def _made() -> Iterator[str]:
    yield from ("# What a service turns into", "")
    yield from (
        "The objects that each cluster gets, and the words that make or change them. Words are keys of "
        f"[`{NAMESPACE}:services`](services.md) unless they begin with another value.",
        "",
    )
    yield from _table(
        ("Object", "Name", "Words", "In clusters where the service", "What it is for"),
        [
            (
                made.kind,
                f"`{'/'.join(part for part in (made.namespace, made.name) if part)}`",
                ", ".join(word if " " in word else f"`{word}`" for word in made.words),
                made.where,
                made.purpose,
            )
            for made in MADE
        ],
    )
    yield from (
        "",
        "Besides them each cluster has, whatever is said: mutual TLS STRICT for the whole mesh (PeerAuthentication "
        "`istio-system/default`) and the Gateway between networks (`istio-system/cross-network-gateway`). What "
        "[`istio-mesh:objects`](objects.md) writes out is made as it is written.",
    )
