"""What the stack says and what is there: services, hosts, mutual TLS, rules that two parties made."""

import re
from collections.abc import Iterator

from mesh.doctor.facts import Message, Region, Rule, Service, Snapshot, Unseen
from mesh.doctor.findings import Finding, fault, unseen, warning
from mesh.doctor.stack import ServiceOutputs


def services(snapshot: Snapshot) -> Iterator[Finding]:
    """Declared services that are not there, lack ports, or have no pod that is ready."""
    for name, region in snapshot.answering.items():
        for key, service in snapshot.stack.services.items():
            found = region.services.get(service.host)
            if found is None:
                if name in service.clusters:
                    yield _absent(snapshot, name, key)
                continue
            yield from _ports(snapshot, name, key, service, found)
            if name in service.clusters and found.ready == 0:
                yield _without_pods(snapshot, name, key)


def _absent(snapshot: Snapshot, region: str, key: str) -> Finding:
    namespace, _, service = key.partition("/")
    return fault(
        "service-missing",
        region,
        key,
        cause=f"The stack says that {key} runs in {region}, and there is no such Service",
        consequence="Its callers there do not find its name, and its routes lead nowhere",
        cure="Deploy it, or take the region out of its `regions`",
        command=snapshot.kubectl(region, "get", "service", "-n", namespace, service),
    )


def _ports(snapshot: Snapshot, region: str, key: str, service: ServiceOutputs, found: Service) -> Iterator[Finding]:
    lacking = {name: port.number for name, port in service.ports.items() if port.number not in found.ports}
    if not lacking:
        return
    namespace, _, name = key.partition("/")
    listed = ", ".join(f"{port} ({port_name})" for port_name, port in lacking.items())
    yield fault(
        "service-ports",
        region,
        key,
        cause=f"The Service {key} lacks the port{'s' if len(lacking) > 1 else ''} {listed} that the stack says",
        consequence="Requests to it are refused, and its routes and policies hold for nothing",
        cure="Add it to the Service by the stack's name, or mend `ports` in the stack",
        command=snapshot.kubectl(region, "get", "service", "-n", namespace, name, "-o", "yaml"),
    )


def _without_pods(snapshot: Snapshot, region: str, key: str) -> Finding:
    namespace, _, name = key.partition("/")
    others = [each for each in snapshot.stack.services[key].clusters if each != region]
    return fault(
        "service-endpoints",
        region,
        key,
        cause=f"{key} has no pod in {region} that is ready",
        consequence=f"Requests go to {' and '.join(others)}, or fail where they may not"
        if others
        else "Every request to it fails",
        cure="See its Deployment: number of replicas, and why its pods are not ready",
        command=snapshot.kubectl(region, "get", "endpointslices,pods", "-n", namespace, "-l", f"app={name}"),
    )


def hosts(snapshot: Snapshot) -> Iterator[Finding]:
    """Public hosts that the ingress does not route."""
    for name, region in snapshot.answering.items():
        if snapshot.of_stack(name).primary is not None:
            continue
        for key, service in snapshot.stack.services.items():
            for host in sorted(set(service.public_hosts) - region.routed):
                yield fault(
                    "host-unrouted",
                    name,
                    host,
                    cause=f"The stack says that {host} leads to {key}, and no VirtualService in {name} routes it",
                    consequence="The ingress answers 404",
                    cure="Run `pulumi up --refresh`, which makes it anew",
                    command=snapshot.kubectl(name, "get", "virtualservices", "-n", "istio-ingress"),
                )


def mutual_tls(snapshot: Snapshot) -> Iterator[Finding]:
    """Regions where plain text is taken."""
    for name, region in snapshot.answering.items():
        if not region.mesh or snapshot.of_stack(name).primary is not None or region.mutual_tls == "STRICT":
            continue
        said = "Nothing in istio-system asks for" if region.mutual_tls is None else f"{region.mutual_tls} is said of"
        yield fault(
            "mutual-tls",
            name,
            "istio-system",
            cause=f"{said} mutual TLS in the whole mesh, and the stack asks for STRICT",
            consequence="Requests in plain text are answered, from whoever reaches a pod",
            cure="Run `pulumi up --refresh`, which makes the PeerAuthentication anew",
            command=snapshot.kubectl(name, "get", "peerauthentications", "-n", "istio-system", "-o", "yaml"),
        )


def rules(snapshot: Snapshot) -> Iterator[Finding]:
    """Two DestinationRules for one host, of which Istio takes one as it comes."""
    for name, region in snapshot.answering.items():
        by_host: dict[tuple[str, str], list[Rule]] = {}
        for rule in region.rules:
            if not rule.selects:
                by_host.setdefault((rule.namespace, rule.host), []).append(rule)
        for (namespace, host), found in by_host.items():
            if len(found) > 1:
                names = " and ".join(sorted(f"{rule.namespace}/{rule.name}" for rule in found))
                yield fault(
                    "rules-conflict",
                    name,
                    host,
                    cause=f"There are {len(found)} DestinationRules for {host}: {names}",
                    consequence="Istio merges subsets and takes everything else from the oldest: limits, outlier "
                    "detection "
                    "and failover of the other do not hold",
                    cure="Keep one. The stack makes one for every service that it declares: say the rest there, in "
                    "`traffic`",
                    command=snapshot.kubectl(name, "get", "destinationrules", "-n", namespace),
                )


def analysis(snapshot: Snapshot) -> Iterator[Finding]:
    """What Istio's own analysis says, but for what this program does on purpose."""
    told: set[str] = set()
    for name, said in snapshot.analysis.items():
        command = snapshot.istioctl(name, "analyze", "-A", "--revision", snapshot.revision(name))
        if isinstance(said, Unseen):
            yield unseen(
                "analysis-unseen",
                name,
                "istioctl analyze",
                cause=f"Istio's own analysis was not seen: {said.cause}",
                consequence="What it knows besides was not looked for",
                cure=said.cure,
                command=command,
            )
            continue
        region = snapshot.answering.get(name)
        for message in said:
            if (
                message.level == "Info"
                or region is None
                or _by_design(snapshot, name, message)
                or _said(region, message)
                or _follows(snapshot, name, message)
                or _of_another(snapshot, name, message)
            ):
                continue
            if message.code == _BETWEEN:
                # Seen from every control plane, it is the same.
                if message.origin in told:
                    continue
                told.add(message.origin)
            report = fault if message.level == "Error" else warning
            consequence, cure = _MEANINGS.get(message.code, _MEANING)
            yield report(
                f"analysis-{message.code.lower()}",
                name if message.cluster == "default" else message.cluster,
                message.origin,
                cause=f"{message.origin}: {message.text.rstrip('.')}",
                consequence=consequence,
                cure=cure,
                command=command,
            )


def _of_another(snapshot: Snapshot, name: str, message: Message) -> bool:
    """Whether the message is for a cluster with a control plane of its own, beside the one whose objects were read.

    Istio judges the same objects for every cluster in sight; there they hold for the control plane's own alone."""
    return message.cluster in snapshot.stack.clusters and snapshot.control_plane(message.cluster) != name


_BETWEEN = "IST0170"
"""Of a Service that differs between clusters."""

_MEANING = ("Istio does something else than was meant, or nothing", "See the page of this code in Istio's reference")

_MEANINGS = {
    "IST0101": (
        "Requests that take this route are answered 503, or the object does nothing",
        "Mend the name, or make what it names",
    ),
    "IST0104": ("The gateway does not listen there", "Mend the port"),
    "IST0106": ("istiod leaves the object out", "Mend it by what the message says"),
    "IST0109": ("One of them holds, as it comes", "Merge them into one"),
    "IST0110": ("One of them holds, as it comes", "Keep one Sidecar for each workload"),
    "IST0111": ("One of them holds, as it comes", "Keep one Sidecar for a namespace"),
    "IST0127": ("It holds for no pod", "Mend the labels, or delete it"),
    "IST0130": ("Requests never take this route", "Order the routes from the special to the general"),
    "IST0132": ("The ingress answers 404 to this host", "Add the host to the Gateway, or take it out here"),
    "IST0134": ("Requests to the host of this port are not told apart from others", "Give it addresses"),
    "IST0145": ("One of them holds, as it comes", "Take the host out of one of the Gateways"),
    "IST0161": ("The gateway refuses connections to its hosts", "Mend the Secret that it names"),
    "IST0173": ("Requests to this subset are answered 503", "Mend the labels, or deploy the version"),
    "IST0174": ("It holds for nothing", "Mend the host, or delete it"),
}


def _by_design(snapshot: Snapshot, region: str, message: Message) -> bool:
    """Whether it complains of what this program does on purpose, of objects that are the stack's own.

    IST0112: a route of the stack names no port, and then leads to the one that was called: for sidecars Istio does so.
    IST0133: it makes EnvoyFilters for what Istio has no word for, and its proofs cover them.
    IST0173: subsets of a service that runs in other regions alone select no pod here.
    IST0170: a name for a service elsewhere has its declared ports only, each region's gateways are its own, and where
    another region's istiod is used, its Service has the ports of the way there.
    """
    _, _, name = message.origin.partition(" ")
    service = name.partition(".")[0] if message.code == "IST0133" else name
    own = set(snapshot.stack.services)
    if message.code == "IST0173":
        # The analysis sees the pods of its own cluster alone.
        return name in own and region not in snapshot.stack.services[name].clusters
    if message.code == _BETWEEN:
        own |= {f"{gate.namespace}/{gate.name}" for region in snapshot.answering.values() for gate in region.gateways}
        own |= {f"istio-system/istiod-{revision}" for revision in _far_revisions(snapshot)}
    return service in own and message.code in ("IST0112", "IST0133", _BETWEEN)


def _far_revisions(snapshot: Snapshot) -> set[str]:
    """Of the istiods that remote clusters use: one beside the other while Istio is upgraded."""
    primaries = [cluster.primary for cluster in snapshot.stack.clusters.values() if cluster.primary is not None]
    there = [snapshot.answering[name] for name in primaries if name in snapshot.answering]
    return {istiod.revision for region in there for istiod in region.istiods}


def _follows(snapshot: Snapshot, name: str, message: Message) -> bool:
    """Whether it follows from a service of the stack that is not there, or has no pod: a finding of its own says so.

    Until its first deployment every object that the stack made for a service is one that finds nothing.
    """
    where = name if message.cluster == "default" else message.cluster
    region = snapshot.answering.get(where)
    if region is None:
        return False
    declared = ((key, service.host) for key, service in snapshot.stack.services.items() if where in service.clusters)
    for key, host in declared:
        found = region.services.get(host)
        if (found is None and _misses_service(host, message)) or (
            (found is None or found.ready == 0) and _misses_pods(key, message)
        ):
            return True
    return False


def _misses_service(host: str, message: Message) -> bool:
    """Whether it says that nobody has this host. Its subsets and ports are missing for themselves."""
    if message.code == "IST0101":
        return message.text.endswith(f'host not found: "{host}"')
    return message.code == "IST0174" and _names(host, message.text)


def _misses_pods(key: str, message: Message) -> bool:
    """Whether it says that an object made for this service selects no pod."""
    namespace, _, service = key.partition("/")
    _, _, origin = message.origin.partition(" ")
    selects = message.code == "IST0127" or (message.code == "IST0101" and "selector not found: " in message.text)
    if selects and origin.startswith(f"{namespace}/"):
        return origin == key or origin.startswith(f"{key}.") or _names(f"app={service}", message.text)
    return message.code == "IST0173" and origin == key


def _names(word: str, text: str) -> bool:
    """Whether a text has a name, and not as a part of a longer one."""
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", text) is not None


def _said(region: Region, message: Message) -> bool:
    """Whether a check of our own says it, with more."""
    return message.code in ("IST0103", "IST0139", "IST0158") and region.mesh
