"""Runs of the pack without an engine: on single resources, on stacks, on what a program registers on the mocks."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from components.config.policies import ParametersConfig
from policies.catalogue import Finding, Policy, Setting
from policies.pack import POLICIES
from policies.resources import RELEASE, Index, Resource, Stack, Subject
from policies.settings import settings
from policies.unknowns import marked, received
from policies.verdicts import Judgement, Verdict
from tests.mocks import Recording

TODAY = date(2026, 11, 24)

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""As the engine writes a text that is not known."""

CLUSTER = "urn:pulumi:test::test::pulumi:providers:kubernetes::use1"
PEER = "urn:pulumi:test::test::pulumi:providers:kubernetes::usw2"

Properties = dict[str, Any]


def secret(value: Any) -> Properties:
    """As the engine writes a secret."""
    return {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": value}


def resource(type_: str, name: str, properties: Properties, **more: Any) -> Resource:
    return Resource(type_, name, f"urn:pulumi:test::test::{type_}::{name}", marked(properties), **more)


def manifest(document: Properties, *, cluster: str = CLUSTER, **more: Any) -> Resource:
    """An object of Kubernetes as the provider's SDK registers it."""
    version, kind = document["apiVersion"], document["kind"]
    module = version if "/" in version else f"core/{version}"
    metadata = document.get("metadata", {})
    namespace = metadata.get("namespace")
    name = f"{namespace}.{metadata.get('name')}" if namespace not in (None, UNKNOWN) else str(metadata.get("name"))
    urn = f"urn:pulumi:test::test::kubernetes:{module}:{kind}::{cluster[-4:]}-{name}"
    return Resource(f"kubernetes:{module}:{kind}", name, urn, marked(document), provider=cluster, **more)


def release(
    chart: str, values: Properties, *, path: str | None = None, cluster: str = CLUSTER, **properties: Any
) -> Resource:
    """A Helm Release of one of Istio's charts."""
    given = {
        "chart": path or chart,
        "namespace": "istio-system",
        "name": f"istio-{chart}",
        "values": values,
        **properties,
    }
    urn = f"urn:pulumi:test::test::{RELEASE}::{cluster[-4:]}-{chart}"
    return Resource(RELEASE, f"{cluster[-4:]}-{chart}", urn, marked(given), provider=cluster)


def setting(*, production: bool = False, **parameters: Any) -> Setting:
    return Setting(ParametersConfig.model_validate(parameters), production, TODAY)


def found(
    policy: Policy, *resources: Resource, given: Setting | None = None
) -> tuple[list[Finding], list[tuple[str, str]]]:
    """What a policy finds, and (resource, place) of all that it would have to know."""
    untold: list[tuple[str, str]] = []
    given = given or setting()
    if policy.stack_judge is not None:
        stack = Stack(Index(resources), lambda resource, path: untold.append((resource.name, path)))
        return list(policy.judge_stack(stack, given)), list(dict.fromkeys(untold))
    findings = [
        finding
        for one in resources
        if one.key in policy.on
        for finding in policy.judge(Subject(one, lambda path, one=one: untold.append((one.name, path))), given)
    ]
    return findings, list(dict.fromkeys(untold))


def judged(
    resources: Sequence[Resource],
    *,
    policies: Sequence[Policy] = POLICIES,
    config: Mapping[str, str] | None = None,
    stack: str = "test",
    today: date = TODAY,
) -> tuple[list[Verdict], Judgement]:
    """All verdicts of one run, those of the end last."""
    judgement = Judgement(
        policies, settings(config or {}, [policy.id for policy in policies], stack=stack), today=today
    )
    verdicts = [verdict for one in resources for verdict in judgement.resource(one)]
    return [*verdicts, *judgement.stack(resources)], judgement


def registered(recording: Recording) -> list[Resource]:
    """What a program registered on the mocks, as the engine hands it to packs."""
    return [
        Resource(
            type=one.type,
            name=one.name,
            urn=one.urn,
            properties=received(one.options.object),
            provider=one.options.provider.rpartition("::")[0],
            dependencies=tuple(one.options.dependencies),
            property_dependencies={name: tuple(d.urns) for name, d in one.options.propertyDependencies.items()},
        )
        for one in recording.resources
    ]
