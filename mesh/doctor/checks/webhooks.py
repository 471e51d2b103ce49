"""Istio's webhooks in the API servers: without them pods start without a proxy, and wrong objects are taken."""

from collections.abc import Iterator

from components.config.names import host_of
from mesh.doctor.checks.trust import foreign, stack_roots
from mesh.doctor.facts import Region, Snapshot, Webhook
from mesh.doctor.findings import Finding, fault

_KIND = {"mutating": "mutatingwebhookconfiguration", "validating": "validatingwebhookconfiguration"}


def webhooks(snapshot: Snapshot) -> Iterator[Finding]:
    """Webhooks that are missing, trust somebody else, let pass, or lead nowhere."""
    for name, region in snapshot.answering.items():
        if not region.mesh:
            continue
        yield from _missing(snapshot, region)
        for configuration in sorted({(hook.kind, hook.configuration) for hook in region.webhooks}):
            hooks = [hook for hook in region.webhooks if (hook.kind, hook.configuration) == configuration]
            yield from _of_configuration(snapshot, name, region, hooks)


def _missing(snapshot: Snapshot, region: Region) -> Iterator[Finding]:
    revision = snapshot.revision(region.name)
    if any(hook.kind == "mutating" and hook.revision == revision for hook in region.webhooks):
        return
    yield fault(
        "webhook-missing",
        region.name,
        "injection",
        cause=f"The API server has no webhook that injects proxies of revision {revision}",
        consequence="New pods start without a proxy, and under strict mutual TLS nobody takes their requests",
        cure="Run `pulumi up --refresh`, which makes it anew",
        command=snapshot.kubectl(region.name, "get", "mutatingwebhookconfigurations", "-l", "istio.io/rev"),
    )


def _of_configuration(snapshot: Snapshot, name: str, region: Region, hooks: list[Webhook]) -> Iterator[Finding]:
    first = hooks[0]
    command = snapshot.kubectl(name, "get", _KIND[first.kind], first.configuration, "-o", "yaml")
    # Roots that are themselves wrong have a finding of their own.
    roots = () if foreign(region, stack_roots(snapshot)) else region.roots or ()
    wrong = [hook for hook in hooks if not set(roots) & set(hook.bundle or ())]
    if wrong and roots:
        nobody = all(not hook.bundle for hook in wrong)
        yield fault(
            "webhook-authority",
            name,
            first.configuration,
            cause=f"The webhook {first.configuration} trusts "
            f"{'nobody' if nobody else 'another authority than istiod has'} "
            "(caBundle)",
            consequence=_refused(first),
            cure="istiod puts it right by itself: see why it does not, in its log; else run `pulumi up --refresh`",
            command=command,
        )
    passing = [hook for hook in hooks if hook.policy != "Fail"]
    if passing:
        yield fault(
            "webhook-policy",
            name,
            first.configuration,
            cause=f"The webhook {first.configuration} lets pass what it cannot judge (failurePolicy "
            f"{passing[0].policy})",
            consequence="While istiod is away, "
            + (
                "pods start without a proxy, and nobody in the mesh takes their requests"
                if first.kind == "mutating"
                else "wrong objects of Istio are taken, and proxies refuse what is made of them"
            ),
            cure="Set failurePolicy to Fail; where a validating webhook stays so, see why istiod does not change it",
            command=command,
        )
    lost = {
        hook.service
        for hook in hooks
        if hook.service is not None and host_of("/".join(hook.service)) not in region.services
    }
    if lost:
        namespace, service = sorted(lost)[0]
        yield fault(
            "webhook-service",
            name,
            first.configuration,
            cause=f"The webhook {first.configuration} leads to the Service {namespace}/{service}, which does not exist",
            consequence=_refused(first),
            cure="Run `pulumi up --refresh`; of a revision that is gone, delete the webhook",
            command=command,
        )


def _refused(hook: Webhook) -> str:
    if hook.policy != "Fail":
        return "It judges nothing any more"
    if hook.kind == "mutating":
        return "The API server refuses new pods in injected namespaces: what ends does not come back"
    return "The API server refuses every change of Istio's objects"
