"""Namespaces: whether what runs in them is in the mesh."""

import fnmatch
from collections.abc import Iterator

from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject

NAMESPACE = "core/Namespace"


_LABELS = ("istio-injection", "istio.io/rev", "istio.io/dataplane-mode")


def injected(namespace: Subject) -> bool:
    """Whether its pods surely get sidecars, or are in the mesh without."""
    labels = namespace.labels
    return not _out(namespace) and labels["istio-injection"].known and any(labels[name].given for name in _LABELS)


def _out(namespace: Subject) -> bool:
    """Whether its pods are surely outside of the mesh."""
    labels = namespace.labels
    return labels["istio-injection"].is_("disabled") or all(labels[name].missing for name in _LABELS)


@resource_policy(
    "kubernetes-namespace-injection",
    MANDATORY,
    on=[NAMESPACE],
    description="Namespaces of workloads have a label by which their pods get sidecars.",
    reason="Without one they speak plain text, and no policy of the mesh holds for them.",
    source="Istio: sidecar injection",
)
def namespace_injection(namespace: Subject, setting: Setting) -> Iterator[Finding]:
    name = namespace.properties.at("metadata", "name").text
    if name is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in setting.parameters.without_injection):
        return
    if _out(namespace):
        yield Finding(
            f"pods of `{name}` get no sidecars",
            "They speak plain text, and no policy of the mesh holds for them",
            "add the label `istio-injection: enabled`, or the name to "
            "`istio-mesh:policies.parameters.withoutInjection`",
            "metadata.labels",
        )


@resource_policy(
    "kubernetes-injection-conflict",
    MANDATORY,
    on=[NAMESPACE],
    description="A namespace has either `istio-injection` or a revision.",
    reason="`istio-injection` wins: the namespace stays with the default revision, and the upgrade passes it by.",
    source="Istio: canary upgrades; istioctl analyze IST0123",
)
def injection_conflict(namespace: Subject, _: Setting) -> Iterator[Finding]:
    labels = namespace.labels
    if labels["istio-injection"].given and labels["istio.io/rev"].given:
        yield Finding(
            f"the label `istio-injection` stands beside the revision {labels['istio.io/rev'].shown}",
            "Istio takes the first and ignores the revision",
            "keep one of the two",
            "metadata.labels",
        )
