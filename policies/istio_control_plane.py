"""istiod: its environment, and the settings of the whole mesh, in a Release or a Deployment of its own."""

import difflib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from policies.catalogue import ADVISORY, MANDATORY, Finding, Setting, resource_policy
from policies.istio_versions import OPERATOR
from policies.kubernetes_pods import containers
from policies.resources import ISTIOD, RELEASE, Subject
from policies.unknowns import Node

DEPLOYMENT = "apps/Deployment"

_ENVIRONMENT = Path(__file__).parent / "data" / "istiod_environment.txt"
_NORMALIZED = ("MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")


@cache
def environment_names() -> frozenset[str]:
    """Names that istiod reads."""
    lines = _ENVIRONMENT.read_text().split("\n")
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _environment(found: Subject) -> Iterator[tuple[str, Node]]:
    """Name and value of each variable of istiod that a resource sets."""
    if found.resource.type == RELEASE:
        values = found["values"]
        yield from values["env"].items()
        yield from values.at("pilot", "env").items()
    elif found.resource.key == OPERATOR:
        yield from found.spec.at("values", "pilot", "env").items()
        for variable in found.spec.at("components", "pilot", "k8s", "env"):
            if (name := variable["name"].text) is not None:
                yield name, variable["value"]
    else:
        for container in containers(found):
            if container["name"].is_("discovery"):
                for variable in container["env"]:
                    if (name := variable["name"].text) is not None:
                        yield name, variable["value"]


@resource_policy(
    "istio-istiod-environment",
    MANDATORY,
    on=[ISTIOD, DEPLOYMENT, OPERATOR],
    description="istiod is told nothing that it does not know.",
    reason="It ignores a variable that it does not read: what was to be tuned or secured is not.",
    source="Istio 1.31 source: every name that pilot, pkg and security register, and those of the chart",
)
def environment(found: Subject, _: Setting) -> Iterator[Finding]:
    for name, value in _environment(found):
        if name not in environment_names():
            near = difflib.get_close_matches(name, environment_names(), n=1, cutoff=0.8)
            yield Finding(
                f"istiod reads no `{name}`",
                "It is ignored, and what it was to change is not changed",
                f"did you mean `{near[0]}`? Otherwise take it out" if near else "take it out",
                value.path,
            )


@resource_policy(
    "istio-trust-domain-check",
    MANDATORY,
    on=[ISTIOD, DEPLOYMENT, OPERATOR],
    description="istiod checks the trust domain of who asks it for certificates.",
    reason="With PILOT_SKIP_VALIDATE_TRUST_DOMAIN proxies take peers of any trust domain under the same root.",
    source="Istio 1.31 source, pilot/pkg/features/security.go; Istio: trust domain migration",
)
def trust_domain_check(found: Subject, _: Setting) -> Iterator[Finding]:
    for name, value in _environment(found):
        if name == "PILOT_SKIP_VALIDATE_TRUST_DOMAIN" and value.is_not(False, "false", ""):
            yield Finding(
                "PILOT_SKIP_VALIDATE_TRUST_DOMAIN switches the check off",
                "Proxies take peers of any trust domain that the root has signed for",
                "take it out; trust other domains by `meshConfig.trustDomainAliases`",
                value.path,
            )


def _mesh(found: Subject) -> Node | None:
    """The settings of the mesh, where a resource has them all: a remote cluster's istiod is elsewhere."""
    if found.value("profile").is_("remote"):
        return None
    return found.value("meshConfig")


@resource_policy(
    "istio-path-normalization",
    MANDATORY,
    on=[ISTIOD],
    description="Paths are normalised before rules by path are looked at.",
    reason="`//admin` and `/%2561dmin` pass a rule for `/admin`, and are the same to the application.",
    source="CVE-2021-31920; Istio: security best practices, path normalization",
)
def path_normalization(release: Subject, _: Setting) -> Iterator[Finding]:
    mesh = _mesh(release)
    if mesh is None:
        return
    said = mesh.at("pathNormalization", "normalization")
    if said.is_not(*_NORMALIZED):
        yield Finding(
            f"paths are normalised by {said.shown}" if said.given else "paths keep double slashes",
            "`//admin` passes a rule for `/admin`, and is the same to the application",
            "set `meshConfig.pathNormalization.normalization: DECODE_AND_MERGE_SLASHES`",
            said.path,
        )


@resource_policy(
    "istio-egress-open",
    ADVISORY,
    on=[ISTIOD],
    description="Workloads call outside the mesh what is declared, and nothing else.",
    reason="Under ALLOW_ANY a stolen pod sends what it finds anywhere, and nobody knows what the platform depends on.",
    source="Istio: security best practices, control egress; accessing external services",
)
def egress_open(release: Subject, _: Setting) -> Iterator[Finding]:
    mesh = _mesh(release)
    if mesh is None:
        return
    mode = mesh.at("outboundTrafficPolicy", "mode")
    if mode.is_not("REGISTRY_ONLY"):
        yield Finding(
            "workloads may call any host outside the mesh",
            "A stolen pod sends what it finds anywhere",
            "declare what is called as ServiceEntries, then set `meshConfig.outboundTrafficPolicy.mode: REGISTRY_ONLY`",
            mode.path,
        )
