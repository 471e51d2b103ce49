"""Versions that go together, and until when: held against the table in components/config/support.py."""

from collections.abc import Iterator

from components.config.support import kubernetes_minor, minor_text, support_of
from mesh.doctor.facts import Region, Snapshot
from mesh.doctor.findings import Finding, fault, warning


def versions(snapshot: Snapshot) -> Iterator[Finding]:
    """Control planes of another version than the stack's, pairs that nobody tested, releases without support."""
    yield from _end_of_life(snapshot)
    for name, region in snapshot.answering.items():
        yield from _kubernetes(snapshot, region)
        for istiod in region.istiods:
            wanted = snapshot.istio_version(name)
            if istiod.revision != snapshot.revision(name) or istiod.metrics is None:
                continue
            if istiod.metrics.version not in ("", wanted):
                yield fault(
                    "istiod-version",
                    name,
                    istiod.pod,
                    cause=f"istiod is of Istio {istiod.metrics.version}, and the stack says {wanted}",
                    consequence="Regions configure their proxies differently; what the stack was checked for does not "
                    "hold",
                    cure="Run `pulumi up --refresh`",
                    command=snapshot.istioctl(name, "version"),
                )
        yield from _proxies(snapshot, region)


def _end_of_life(snapshot: Snapshot) -> Iterator[Finding]:
    version = snapshot.stack.mesh.istio_version
    support = support_of(version)
    if support is None or support.end_of_life is None or snapshot.now.date() <= support.end_of_life:
        return
    first = next(iter(snapshot.stack.clusters))
    yield warning(
        "istio-end-of-life",
        first,
        f"Istio {version}",
        cause=f"Istio {support.istio} has had no more releases since {support.end_of_life:%Y-%m-%d}",
        consequence="Holes that are found in it stay open",
        cure="Upgrade to the next minor",
        command=snapshot.istioctl(first, "version"),
    )


def _kubernetes(snapshot: Snapshot, region: Region) -> Iterator[Finding]:
    istio = snapshot.istio_version(region.name)
    support, minor = support_of(istio), kubernetes_minor(region.kubernetes_version)
    said = snapshot.of_stack(region.name).kubernetes_version
    command = snapshot.kubectl(region.name, "version")
    if support is not None and not support.takes(minor):
        yield fault(
            "kubernetes-unsupported",
            region.name,
            region.kubernetes_version,
            cause=f"{region.name} runs Kubernetes {region.kubernetes_version}, and Istio {istio} takes "
            f"{support.kubernetes_range}",
            consequence="They were never tested together",
            cure=f"Take a Kubernetes of that range, or an Istio whose range has {minor_text(minor)}",
            command=command,
        )
    elif minor != kubernetes_minor(said):
        yield warning(
            "kubernetes-moved",
            region.name,
            region.kubernetes_version,
            cause=f"{region.name} runs Kubernetes {region.kubernetes_version}, and the stack says {said}",
            consequence="Who reads the stack's outputs is told wrong",
            cure="Run `pulumi up`, which asks it anew",
            command=command,
        )


def _proxies(snapshot: Snapshot, region: Region) -> Iterator[Finding]:
    """One finding for each namespace: after an upgrade it is all of its pods.

    In the middle of one there is another revision's istiod, and proxies of its version have moved to it, or not yet.
    """
    wanted = snapshot.istio_version(region.name)
    control_plane = snapshot.control_plane(region.name)
    said, serving = snapshot.sync.get(control_plane), snapshot.answering.get(control_plane)
    beside = {
        istiod.metrics.version
        for istiod in (serving.istiods if serving is not None else ())
        if istiod.metrics is not None and istiod.revision != snapshot.revision(control_plane)
    }
    behind: dict[tuple[str, str], list[str]] = {}
    for proxy in region.proxies:
        told = said.get(proxy.key) if isinstance(said, dict) else None
        version = told.version if told is not None and told.version else proxy.version
        if version not in ("", wanted, *beside):
            behind.setdefault((proxy.namespace, version), []).append(proxy.pod)
    for (namespace, version), pods in behind.items():
        far = abs(_minor(version) - _minor(wanted)) > 1
        report = fault if far else warning
        yield report(
            "proxy-version",
            region.name,
            namespace,
            cause=f"{len(pods)} {'proxy' if len(pods) == 1 else 'proxies'} in {namespace} "
            f"{'is' if len(pods) == 1 else 'are'} of Istio {version}, and the control plane of {wanted}",
            consequence="More than one minor apart, nobody says that they understand each other"
            if far
            else "They miss what was mended, and stand in the way of the next upgrade",
            cure=f"Restart their pods: `kubectl rollout restart deployment -n {namespace}`",
            command=snapshot.istioctl(region.name, "proxy-status", "-n", namespace),
        )


def _minor(version: str) -> int:
    return int(version.split(".")[1])
