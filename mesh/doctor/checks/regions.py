"""Regions that answer, their control planes, and what these know of each other."""

from collections.abc import Iterator, Sequence

from mesh.doctor.facts import Istiod, Region, Silent, Snapshot, Unseen
from mesh.doctor.findings import Finding, fault


def silence(snapshot: Snapshot) -> Iterator[Finding]:
    """Regions that could not be asked."""
    for name, found in snapshot.regions.items():
        if isinstance(found, Silent):
            yield fault(
                "region-silent",
                name,
                "",
                cause=f"The API server of {name} {found.cause}",
                consequence="Nothing of this region was examined; what runs there goes on as long as it needs no "
                "change",
                cure=found.cure,
                command=snapshot.kubectl(name, "get", "--raw", "/readyz"),
            )


def nodes(snapshot: Snapshot) -> Iterator[Finding]:
    """Nodes that are not ready."""
    for name, region in snapshot.answering.items():
        for node in region.nodes:
            if not node.ready:
                yield fault(
                    "node-not-ready",
                    name,
                    node.name,
                    cause=f"The node {node.name} is not ready",
                    consequence="Its pods get no requests, and are made anew elsewhere after five minutes",
                    cure="See its conditions; replace it where it does not come back",
                    command=snapshot.kubectl(name, "describe", "node", node.name),
                )


def control_planes(snapshot: Snapshot) -> Iterator[Finding]:
    """istiods that are missing, not ready, or do not answer."""
    for name, region in snapshot.answering.items():
        if snapshot.of_stack(name).primary is not None:
            continue
        if not region.istiods:
            yield fault(
                "istiod-missing",
                name,
                "istiod",
                cause="There is no pod of istiod",
                consequence="Proxies go on with what they have; no new pod gets a proxy, no change and no new "
                "certificate "
                "arrives, and after a day requests are refused",
                cure="See its Deployment and its events, or run `pulumi up`",
                command=snapshot.kubectl(name, "get", "deployments,events", "-n", "istio-system"),
            )
        for istiod in region.istiods:
            yield from _istiod(snapshot, name, istiod)


def _istiod(snapshot: Snapshot, name: str, istiod: Istiod) -> Iterator[Finding]:
    if istiod.ready and istiod.metrics is not None:
        return
    said = "is not ready" if not istiod.ready else "is said to be ready and does not answer at its monitoring port"
    yield fault(
        "istiod-silent",
        name,
        istiod.pod,
        cause=f"{istiod.pod} {said}",
        consequence="Proxies that hang on it learn of no change and get no new certificate",
        cure="See its log; where it hangs, delete the pod, and another one takes its place",
        command=snapshot.kubectl(name, "logs", "-n", "istio-system", istiod.pod, "--tail=50"),
    )


def remotes(snapshot: Snapshot) -> Iterator[Finding]:
    """Clusters that a control plane should read and does not."""
    for name, region in snapshot.answering.items():
        if snapshot.of_stack(name).primary is not None or not region.serving:
            continue
        peers = [peer for peer in snapshot.stack.clusters if peer != name]
        for peer in peers:
            yield from _remote(snapshot, region, peer)
        yield from _refused(snapshot, region, peers)


def _remote(snapshot: Snapshot, region: Region, peer: str) -> Iterator[Finding]:
    states, refused = _states(snapshot, region, peer), _refusals(region)
    command = snapshot.istioctl(region.name, "remote-clusters")
    consequence = (
        f"Its endpoints are unknown in {region.name}: no request goes there, and no failure is made up for there"
    )
    if states == {None}:
        yield fault(
            "remote-missing",
            region.name,
            peer,
            cause=f"istiod knows no cluster {peer}: there is no remote secret of it, or one that cannot be read",
            consequence=consequence,
            cure="Run `pulumi up --refresh`, which makes it anew",
            command=command,
        )
    elif states != {"synced"} and isinstance(snapshot.regions[peer], Silent):
        return  # The region's own finding says why.
    elif states != {"synced"}:
        state = next(state for state in states if state != "synced")
        why = "its API server refuses the token (401)" if refused else "its API server gives no answer, or refuses"
        cure = (
            "Raise `trust.remoteTokens.generation` by one and run `pulumi up`"
            if refused
            else (
                f"See istiod's log, and whether {snapshot.of_stack(peer).api_server} can be reached from {region.name}"
            )
        )
        yield fault(
            "remote-unsynced",
            region.name,
            peer,
            cause=f"istiod does not read the cluster {peer} (`{state or 'unknown'}`): {why}",
            consequence=consequence,
            cure=cure,
            command=command,
        )


def _refused(snapshot: Snapshot, region: Region, peers: Sequence[str]) -> Iterator[Finding]:
    """A cluster that was read and refuses istiod since. The log names none: where there are several, it is one of
    them."""
    if not _refusals(region) or not peers or any(_states(snapshot, region, peer) != {"synced"} for peer in peers):
        return  # The finding of a cluster that is not read says why.
    *others, last = peers
    which = f"one of the clusters {', '.join(others)} and {last}" if others else f"the cluster {last}"
    yield fault(
        "remote-refused",
        region.name,
        ", ".join(peers),
        cause=f"istiod has read {which}, and is refused since: the token is no longer valid (401)",
        consequence=f"{region.name} goes on with the endpoints that it knew; new pods of {'it' if others else last} "
        "get no request, and gone ones still do",
        cure="Raise `trust.remoteTokens.generation` by one and run `pulumi up`",
        command=snapshot.kubectl(region.name, "logs", "-n", "istio-system", "-l", "app=istiod", "--since=2m"),
    )


def _refusals(region: Region) -> list[str]:
    """Lines in which istiods that answer say that a cluster refused them."""
    return [line for istiod in region.istiods if istiod.metrics is not None for line in istiod.refused]


def _states(snapshot: Snapshot, region: Region, peer: str) -> set[str | None]:
    """By istiods' own word where it could be asked, else by their metrics, whose `closed` says nothing."""
    said = snapshot.remotes.get(region.name)
    if said is not None and not isinstance(said, Unseen):
        return {said.get(peer)}
    told = {istiod.metrics.remotes.get(peer) for istiod in region.istiods if istiod.metrics is not None}
    return {"synced" if state == "closed" else state for state in told}
