"""docs/reference: as the models are, with examples that load, are rendered and that Istio takes."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from components.config import defaults, schema
from components.config.loading import check
from components.config.model import Model
from components.config.reference import pages as reference
from components.config.reference.examples import FOLDER, Example, examples, stack
from components.config.reference.made import EVERY, MADE, Made
from components.config.reference.wording import meaning_and_default
from components.config.stack import StackConfig
from components.config.workload import ReplicasConfig, ResourcesConfig
from components.resources.objects import IstioObject
from tests.builders import Yaml, with_secrets, write_kubeconfig
from tests.istioctl import needs_istioctl, validated
from tests.stacks import rendered

ALL = [(page, example) for page in reference.pages() for example in examples(page)]

each = pytest.mark.parametrize("example", [example for _, example in ALL], ids=[f"{p}: {e.title}" for p, e in ALL])

VALIDATOR = Draft202012Validator(json.loads(schema.PATH.read_text()))


# Pages.


@cache
def pages() -> dict[Path, str]:
    return reference.rendered()


def test_the_reference_is_the_models() -> None:
    made = pages()
    found = {file: file.read_text() for file in reference.FOLDER.glob("*")}
    stale = sorted(file.name for file in found.keys() | made.keys() if found.get(file) != made.get(file))
    assert stale == [], f"run `{reference.COMMAND}`"


def test_every_model_has_a_place() -> None:
    definitions = json.loads(schema.PATH.read_text())["$defs"]
    assert {model.__name__ for model in reference.places()} == set(definitions)


def test_every_key_is_told_once() -> None:
    rows = [line for text in pages().values() for line in text.split("\n") if line.startswith("| `")]
    keys = sum(len(model.model_fields) for model in reference.places())
    assert len(rows) == keys


def test_a_page_has_an_example_for_each_value_of_a_stack() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == {*reference.pages(), "stack"}
    assert [page for page in reference.pages() if not any(page in e.values for e in examples(page))] == []


def test_links_lead_somewhere() -> None:
    texts = {file.name: text for file, text in pages().items()}
    headings = {name: [reference.anchor(found) for found in _headings(text)] for name, text in texts.items()}
    for name, text in texts.items():
        assert len(set(headings[name])) == len(headings[name]), f"{name}: two headings have one anchor"
        for page, _, heading in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", _prose(text))):
            target = page or name
            assert target in texts, f"{name}: {page}"
            assert not heading or heading in headings[target], f"{name}: {page}#{heading}"


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Roll a new version out (canary)", "roll-a-new-version-out-canary"),
        ("Let pods join that may not have NET_ADMIN", "let-pods-join-that-may-not-have-net_admin"),
        ("Pin Istio's version, and more", "pin-istios-version-and-more"),
        ("`istio-mesh:services`", "istio-meshservices"),
        ("East-west", "east-west"),
    ],
)
def test_an_anchor_is_what_github_makes_of_a_heading(heading: str, anchor: str) -> None:
    assert reference.anchor(heading) == anchor


def _prose(text: str) -> str:
    return re.sub(r"^```yaml\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", _prose(text), flags=re.MULTILINE)


def test_a_default_in_words_that_is_not_the_value_is_refused() -> None:
    class Wrong(Model):
        retries: int = 2
        """Tries; default 3."""

    with pytest.raises(ValueError, match=r"Wrong\.retries: its docstring has the default '3', and its value is 2"):
        meaning_and_default(Wrong, "retries", Wrong.model_fields["retries"])


def test_every_default_that_is_a_decision_has_its_reason_on_the_page() -> None:
    told = [constant for constants in reference.sections().values() for constant in constants]
    assert told == [name for name in vars(defaults) if name.isupper()]


def test_no_default_stands_on_the_page_without_a_reason() -> None:
    page = pages()[reference.FOLDER / "defaults.md"]
    rows = [line.strip("| ").split(" | ") for line in page.split("\n") if line.startswith("| ")]
    told = [row for row in rows if row[0] != "Default"]
    assert len(told) == len([name for name in vars(defaults) if name.isupper()])
    # A reason is more than the name of what it is of.
    assert [row[0] for row in told if len(row) != 4 or len(row[3].split()) < 8] == []


NO_DECISIONS = {
    "GeneratedRoot.generation": "where counting begins",
    "IntermediatesConfig.generation": "where counting begins",
    "RemoteTokensConfig.generation": "where counting begins",
    "MeshConfig.version": "the table of versions says it",
    "MeshConfig.data_plane": "what Istio is",
    "ImagesConfig.hub": "where Istio's images are",
    "ImagesConfig.pull_policy": "Kubernetes' own",
    "TuningConfig.debounce_endpoints": "istiod's own",
    "TuningConfig.workload_entry_registration": "istiod's own",
    "CertManagerTls.kind": "a form of words",
    "PublicHostConfig.paths": "all of what is given",
    "MirrorConfig.percent": "all of what is given",
    "RateLimitConfig.scope": "the only one",
    "AccessLogsConfig.enabled": "what is logged has its reasons",
    "CollectorConfig.protocol": "a form of words",
    "WasmConfig.pull_policy": "Kubernetes' own",
    "EksClusterConfig.version": "the table of versions says it",
    "AutoModeConfig.node_pools": "EKS's own",
    "AwsNetworkConfig.s3_endpoint": "it costs nothing",
    "FlowLogsConfig.enabled": "how long they are kept has its reason",
    "LoadBalancerControllerConfig.version": "the newest that was known",
    "CertManagerConfig.server": "where Let's Encrypt is",
    "TransitGatewayConfig.first_asn": "where private numbers begin",
    "PrivateCaConfig.key": "AWS's own",
}
"""Fields whose default needs no reason on the page, and why."""


def test_every_key_with_a_value_of_its_own_when_left_out_has_its_reason_on_the_page() -> None:
    given = {
        f"{model.__name__}.{name}"
        for model in reference.places()
        for name, field in model.model_fields.items()
        if not field.is_required()
        and field.default_factory is None
        and (isinstance(field.default, ReplicasConfig | ResourcesConfig) or not isinstance(field.default, BaseModel))
        and field.default not in (None, False, (), {}, ResourcesConfig().requests)
    }
    reasons = {field for fields in reference.REASONS.values() for field in fields}
    assert given - reasons == set(NO_DECISIONS)


# Examples.


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home whose kubeconfig has every context that the examples name."""
    texts = [example.yaml for _, example in ALL] + [stack().yaml]
    contexts = sorted({name for text in texts for name in re.findall(r"context: ([\w-]+)", text)})
    (tmp_path / ".kube").mkdir()
    write_kubeconfig(tmp_path / ".kube", *contexts, file="config")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def loaded(values: Yaml) -> StackConfig:
    config, faults = check(with_secrets(values))
    assert [str(fault) for fault in faults] == []
    assert config is not None
    return config


@each
def test_an_example_loads_and_is_rendered_as_part_of_the_stack(example: Example) -> None:
    values = example.within(stack().values)
    config = loaded(values)
    for cluster in config.clusters:
        assert rendered(config, cluster.name)


@each
def test_the_schema_takes_an_example(example: Example) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(_file(example.within(stack().values)))] == []


@each
def test_an_example_says_something(example: Example) -> None:
    """It changes the stack, and is a piece of the file as it stands there."""
    assert example.within(stack().values) != stack().values
    assert all(key.startswith("istio-mesh:") for key in yaml.safe_load(example.yaml))


def test_the_schema_refuses_every_unknown_key_in_the_examples() -> None:
    """A key beside the known ones, wherever the models have the last word of what is known."""
    tried = 0
    for _, example in [*ALL, ("stack", stack())]:
        whole = example.within(stack().values)
        for path in _closed(example.values, StackConfig):
            assert not VALIDATOR.is_valid(_file(_with_key(whole, path))), f"{example.title}: {path}"
            tried += 1
    assert tried > 200


def test_the_schema_refuses_what_is_no_name() -> None:
    for page, name in (("services", "exam_service"), ("egress", "Payments"), ("issuers", "a.b")):
        whole = stack().values
        wrong = {**whole, page: {name: next(iter(examples(page)[0].values[page].values()))}}
        assert not VALIDATOR.is_valid(_file(wrong)), page


def _file(values: Yaml) -> Yaml:
    return {"config": {f"istio-mesh:{key}": value for key, value in values.items()}}


def _closed(value: Any, model: type[Model], path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every map in `value` that is one of the models."""
    yield path
    types = reference.hints(model)
    for name, field in model.model_fields.items():
        key = field.alias or name
        if not isinstance(value, dict) or key not in value:
            continue
        for inner, step in reference.models_in(types[name]):
            for below, place in _items(value[key], (*path, key), step):
                if isinstance(below, dict):
                    yield from _closed(below, inner, place)


def _items(value: Any, path: tuple[Any, ...], step: str) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    if step.startswith("[]") and isinstance(value, list):
        yield from ((item, (*path, index)) for index, item in enumerate(value))
    elif step.startswith(".<") and isinstance(value, dict):
        yield from ((item, (*path, key)) for key, item in value.items())
    elif not step:
        yield value, path


def _with_key(values: Yaml, path: tuple[Any, ...]) -> Yaml:
    changed = here = json.loads(json.dumps(values))
    for step in path:
        here = here[step]
    here["unheardOf"] = 1
    return changed


@pytest.mark.istioctl
@needs_istioctl
def test_istio_takes_every_example(tmp_path: Path) -> None:
    """One run over the objects of all of them, in every cluster."""
    unique: dict[str, Yaml] = {}
    for _, example in [*ALL, ("stack", stack())]:
        config = loaded(example.within(stack().values))
        for cluster in config.clusters:
            for found in rendered(config, cluster.name):
                manifest = found.manifest({})
                unique[json.dumps(manifest, sort_keys=True)] = manifest
    validated(tmp_path / "all.yaml", unique.values())
    assert len(unique) > 100


# What a service turns into.

_SERVICE = "exam/exam-service"

_CHANGES: Mapping[str, Yaml] = {
    "regions": {"regions": ["usw2"]},
    "callers": {"callers": ["exam/web-frontend"]},
    "hosts": {"hosts": ["www.exam-platform.com"]},
    "access.jwt": {"access": {"jwt": {"issuers": ["exam"]}}},
    "access.roles": {"access": {"jwt": {"issuers": ["exam"]}, "roles": {"admin": ["/admin/*"]}}},
    "access.public": {"access": {"public": ["/ready"]}},
    "routes": {"routes": [{"match": {"path": "/api/*"}, "version": "v2"}]},
    "canary": {"canary": {"to": "v2", "percent": 10}},
    "blueGreen": {"blueGreen": {"active": "v1"}},
    "timeout": {"timeout": "3s"},
    "stream": {"stream": True},
    "retries": {"retries": {"attempts": 5}},
    "idleTimeout": {"stream": True, "idleTimeout": "5m"},
    "versions": {"versions": ["v1", "v2", "v3"]},
    "traffic": {"traffic": {"pool": {"maxRequests": 7}}},
    "failover": {"failover": {"use1": "usw2"}},
    "distribute": {"distribute": {"use1": {"use1": 80, "usw2": 20}}},
    "rateLimit": {"rateLimit": {"requests": 100, "per": "60s"}},
    "maxRequestBody": {"maxRequestBody": "1Mi"},
}
"""What is said of a service by each word of its own."""

_ELSEWHERE: Mapping[str, Yaml] = {
    "callers of other services": {"services": {"exam/other": {"ports": {"http": 80}, "callers": [_SERVICE]}}},
    "egress": {"egress": {"bank": {"hosts": ["bank.com"], "ports": {"https": 443}, "callers": [_SERVICE]}}},
    "telemetry": {"telemetry": {"accessLogs": {"enabled": False}}},
    "telemetry.tracing": {"telemetry": {"tracing": {"collector": {"host": "sink.outside.svc.cluster.local"}}}},
    "extensions.wasm": {
        "extensions": {"wasm": {"check": {"url": "oci://r.com/m", "sha256": "0" * 64, "services": [_SERVICE]}}}
    },
    "security.permissive": {
        "security": {"permissive": [{"namespace": "exam", "workload": {"app": "old"}, "ports": [8081]}]}
    },
    "gateways.ingress.servers": {
        "gateways": {
            "ingress": {
                "servers": [
                    {
                        "hosts": ["exam-platform.com", "api.exam-platform.com", "www.exam-platform.com"],
                        "tls": {"existingSecret": "other"},
                    }
                ]
            }
        }
    },
}
_ELSEWHERE = {**_ELSEWHERE, "egress.callers": _ELSEWHERE["egress"]}


def _platform(service: Yaml, elsewhere: Yaml) -> Yaml:
    """The stack of the examples, with the exam service in it as said; and one host more, for it or another."""
    values = json.loads(json.dumps(stack().values))
    values["gateways"]["ingress"]["servers"][0]["hosts"].append("www.exam-platform.com")
    plain = {"ports": {"http": 8080}, "versions": ["v1", "v2"], "callers": ["exam/web-frontend", "exam/api-service"]}
    values["services"][_SERVICE] = {**plain, **service}
    if "hosts" not in service:
        values["services"]["exam/www"] = {"ports": {"http": 8080}, "hosts": ["www.exam-platform.com"]}
    for key, value in elsewhere.items():
        values[key] = {**values.get(key, {}), **value} if key in ("services", "egress") else value
    return values


def _objects(values: Yaml) -> dict[tuple[str, str], dict[str, IstioObject]]:
    """Everything that each row is about, in all clusters: by kind, namespace and name."""
    config = loaded(values)
    found: dict[tuple[str, str], dict[str, IstioObject]] = {}
    for cluster in config.clusters:
        every = [
            *rendered(config, cluster.name),
            *(IstioObject("Service", s.namespace, s.name, {}) for s in config.platform.stubs(cluster.name)),
            *(IstioObject("Namespace", "", name, {}) for name in config.platform.namespaces(cluster.name)),
        ]
        own = {(entry.kind, entry.namespace, entry.name) for entry in config.objects}
        for entry in every:
            if (entry.kind, entry.namespace, entry.name) not in own:
                place = "/".join(part for part in (entry.namespace, entry.name) if part)
                found.setdefault((entry.kind, place), {})[cluster.name] = entry
    return found


def _is(made: Made, kind: str, place: str) -> bool:
    labels = {"<host>": r"[a-z0-9.-]+"}
    pattern = "/".join(part for part in (made.namespace, made.name) if part)
    pattern = "".join(
        labels.get(part, r"[a-z0-9-]+") if part.startswith("<") else re.escape(part)
        for part in re.split(r"(<\w+>)", pattern)
    )
    return made.kind == kind and re.fullmatch(pattern, place) is not None


@each
def test_every_object_of_an_example_is_in_the_list(example: Example) -> None:
    for kind, place in _objects(example.within(stack().values)):
        rows = [made for made in MADE if _is(made, kind, place)]
        # `permissive-...` has the form of a service's name too.
        assert rows, f"{kind} {place}"
        assert len(rows) == 1 or place.partition("/")[2].startswith("permissive-"), f"{kind} {place}"


@pytest.mark.parametrize("made", MADE, ids=[f"{made.kind} {made.name}" for made in MADE])
def test_each_word_makes_or_changes_its_object(made: Made) -> None:
    before = _objects(_platform({}, {}))
    for word in made.words:
        if word == EVERY:
            assert any(_is(made, *key) for key in before)
            continue
        own, elsewhere = _CHANGES.get(word, {}), _ELSEWHERE.get(word, {})
        assert own or elsewhere, word
        after = _objects(_platform(own, elsewhere))
        if made.namespace == "istio-ingress" and word not in ("hosts", "gateways.ingress.servers"):
            # A route of a public host is changed where there is one.
            public = {"hosts": ["www.exam-platform.com"]}
            after, compared = _objects(_platform({**own, **public}, {})), _objects(_platform(public, {}))
        elif made.kind == "Service" and word != "regions":
            # Where it does not run, somebody has to call it.
            alone = {"regions": ["usw2"], "callers": []}
            after, compared = _objects(_platform({**alone, **own}, {})), _objects(_platform(alone, {}))
        else:
            compared = before
        changed = [key for key in after if after[key] != compared.get(key)]
        assert any(_is(made, *key) for key in changed), f"`{word}` changes {changed}"
