"""Roots, intermediates, certificates and clocks."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from mesh.doctor.facts import Door, Proxy, Region, Snapshot
from mesh.doctor.findings import Finding, fault, warning

BACKDATED = 120.0
"""Seconds by which istiod dates a certificate back (istio security/pkg/pki/util/generate_cert.go)."""

_ROTATE = "Raise `trust.intermediates.generation` by one and run `pulumi up`"


def span(seconds: float) -> str:
    """A length of time as a person says it."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def stack_roots(snapshot: Snapshot) -> Sequence[x509.Certificate]:
    """The roots that the stack says."""
    return x509.load_pem_x509_certificates(snapshot.stack.mesh.root_certificates.encode())


def roots(snapshot: Snapshot) -> Iterator[Finding]:
    """Regions whose workloads trust something else than the stack says."""
    wanted = stack_roots(snapshot)
    for name, region in snapshot.answering.items():
        if region.roots is None or not foreign(region, wanted):
            continue
        (first, *_) = region.roots
        command = snapshot.kubectl(
            name, "get", "configmap", "-n", "istio-system", "istio-ca-root-cert", "-o", "jsonpath='{.data}'"
        )
        consequence = f"Workloads of {name} and of the other regions refuse each other, from their next certificate on"
        if _made_by_istiod(first, snapshot.stack.mesh.trust_domain):
            yield fault(
                "root-own",
                name,
                "istiod",
                cause="istiod made a root of its own: it started without the Secret cacerts",
                consequence=consequence,
                cure="Run `pulumi up --refresh`, which makes cacerts anew, then `kubectl rollout restart` istiod",
                command=command,
            )
        else:
            yield fault(
                "root-foreign",
                name,
                "istiod",
                cause=f"Workloads trust the root `{first.subject.rfc4514_string()}`, which is none of the stack's",
                consequence=consequence,
                cure="Run `pulumi up --refresh`, which makes cacerts anew, then `kubectl rollout restart` istiod",
                command=command,
            )


def foreign(region: Region, wanted: Sequence[x509.Certificate]) -> bool:
    """Whether workloads of a region trust none of the stack's roots."""
    return region.roots is not None and not set(region.roots) & set(wanted)


def _made_by_istiod(root: x509.Certificate, trust_domain: str) -> bool:
    """By the one name that it gives: the trust domain as an organisation (istio pilot/pkg/bootstrap/istio_ca.go)."""
    organisations = [str(name.value) for name in root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return organisations == [trust_domain] and len(list(root.subject)) == 1


def authorities(snapshot: Snapshot) -> Iterator[Finding]:
    """Intermediates and roots that end, or are not the ones that the stack made."""
    least = snapshot.thresholds.authority.seconds
    wanted = stack_roots(snapshot)
    for name, region in snapshot.answering.items():
        if foreign(region, wanted):
            continue
        for istiod in region.istiods:
            if istiod.metrics is None:
                continue
            said = snapshot.of_stack(name).authority_expiry
            until = istiod.metrics.authority_until
            if until is not None and (until - snapshot.now).total_seconds() < least:
                yield _authority_ends(snapshot, name, istiod.pod, until)
            elif until is not None and abs((until - said).total_seconds()) > 1:
                yield fault(
                    "authority-other",
                    name,
                    istiod.pod,
                    cause=f"istiod signs with an intermediate that ends on {until:%Y-%m-%d %H:%M}, and the stack's "
                    "ends on "
                    f"{said:%Y-%m-%d %H:%M}",
                    consequence="It is not the one that the stack keeps: nobody warns of its end",
                    cure="Run `pulumi up --refresh`; where istiod does not take it, restart istiod",
                    command=snapshot.kubectl(name, "logs", "-n", "istio-system", istiod.pod, "--tail=200"),
                )
            root = istiod.metrics.root_until
            if root is not None and (root - snapshot.now).total_seconds() < least:
                yield warning(
                    "root-ends",
                    name,
                    istiod.pod,
                    cause=f"The root ends on {root:%Y-%m-%d}, in {span((root - snapshot.now).total_seconds())}",
                    consequence="From then on every connection in the mesh is refused",
                    cure="Rotate the root",
                    command=snapshot.istioctl(name, "proxy-config", "secret", "-n", "istio-system", istiod.pod),
                )


def _authority_ends(snapshot: Snapshot, region: str, pod: str, until: datetime) -> Finding:
    left = (until - snapshot.now).total_seconds()
    report = fault if left <= 0 else warning
    return report(
        "authority-ends",
        region,
        pod,
        cause=f"The intermediate of {region} {'ended' if left <= 0 else 'ends'} on {until:%Y-%m-%d %H:%M}"
        + ("" if left <= 0 else f", in {span(left)}"),
        consequence="From then on what it signed is refused: every connection from and to this region",
        cure=_ROTATE,
        command=snapshot.kubectl(region, "logs", "-n", "istio-system", pod, "--tail=200"),
    )


def workload_certificates(snapshot: Snapshot) -> Iterator[Finding]:
    """Certificates of proxies that should have been renewed."""
    for name, region in snapshot.answering.items():
        for proxy in region.proxies:
            left = proxy.metrics.certificate_left if proxy.metrics else None
            least = proxy.certificate_lifetime * snapshot.thresholds.workload_certificate / 100
            if left is not None and left < least:
                yield _not_renewed(snapshot, name, proxy, left)


def _not_renewed(snapshot: Snapshot, region: str, proxy: Proxy, left: float) -> Finding:
    ended = left <= 0
    return fault(
        "certificate-ends",
        region,
        proxy.key,
        cause=f"The certificate of {proxy.workload} "
        + (f"ended {span(-left)} ago" if ended else f"ends in {span(left)}")
        + f", and was to be renewed at half of its {span(proxy.certificate_lifetime)}",
        consequence="It is refused by every other proxy" if ended else "From then on every other proxy refuses it",
        cure="See why it gets none from istiod: its log, and that of istiod; delete the pod where it does not come "
        "back",
        command=snapshot.istioctl(region, "proxy-config", "secret", f"{proxy.pod}.{proxy.namespace}"),
    )


def chains(snapshot: Snapshot) -> Iterator[Finding]:
    """What workloads show to other regions."""
    wanted = stack_roots(snapshot)
    for name, door in snapshot.east_west.items():
        region = snapshot.answering.get(name)
        if region is None or foreign(region, wanted) or not door.chain:
            continue
        command = f"openssl s_client -connect {door.address} -alpn istio -showcerts -servername {_server_name(door)}"
        consequence = "Until then other proxies refuse it: connections to it fail in the handshake"
        if early := _early(snapshot, name, door, command, consequence, f"and renew: {_ROTATE.lower()}"):
            yield early
        elif door.refused:
            yield fault(
                "chain-refused",
                name,
                door.name,
                cause=f"What {door.name} shows does not lead to a root of the stack ({door.refused})",
                consequence="Proxies of other regions refuse it: connections to it fail in the handshake",
                cure="Delete its pods, which then get certificates of the present authority; see whether istiod has "
                "the "
                "stack's",
                command=command,
            )


def _early(
    snapshot: Snapshot, region: str, door: Door, command: str, consequence: str, renewing: str
) -> Finding | None:
    """That a door shows a certificate which is not valid yet; None where all are. `renewing`: the cure after clocks."""
    ahead = max((each.not_valid_before_utc - snapshot.now).total_seconds() for each in door.chain)
    if ahead <= 0:
        return None
    return fault(
        "certificate-early",
        region,
        door.name,
        cause=f"A certificate that {door.name} shows becomes valid only in {span(ahead)}",
        consequence=consequence,
        cure=f"Set the clocks right (chrony, or the time service of the cloud), {renewing}",
        command=command,
    )


def _server_name(door: Door) -> str:
    host, _, port = door.name.rpartition(":")
    return f"outbound_.{port}_._.{host}"


def public_certificates(snapshot: Snapshot) -> Iterator[Finding]:
    """Certificates of public hosts."""
    least = timedelta(seconds=snapshot.thresholds.ingress_certificate.seconds)
    for name, found in snapshot.ingress.items():
        for door in found:
            if not door.chain:
                continue
            left = door.chain[0].not_valid_after_utc - snapshot.now
            command = f"openssl s_client -connect {door.address} -servername {door.name}"
            consequence = "Until then clients refuse the connection"
            if early := _early(snapshot, name, door, command, consequence, "that of whoever made it too, and renew it"):
                yield early
            elif door.refused:
                yield fault(
                    "ingress-refused",
                    name,
                    door.name,
                    cause=f"The certificate of {door.name} is not accepted ({door.refused})",
                    consequence="Clients refuse the connection",
                    cure="Renew it: with `tls.generated` by `pulumi up`, else where it comes from; see that it names "
                    "the host",
                    command=command,
                )
            elif left < least:
                yield warning(
                    "ingress-certificate-ends",
                    name,
                    door.name,
                    cause=f"The certificate of {door.name} ends on {door.chain[0].not_valid_after_utc:%Y-%m-%d}, in "
                    f"{span(left.total_seconds())}",
                    consequence="From then on clients refuse the connection",
                    cure="Renew it: with `tls.generated` by `pulumi up`, else where it comes from",
                    command=command,
                )


def clocks(snapshot: Snapshot) -> Iterator[Finding]:
    """Clocks of nodes that differ, by what their pods and API servers tell beside each answer."""
    told = {
        (name, node.name): node.offset
        for name, region in snapshot.answering.items()
        for node in region.nodes
        if node.offset is not None
    }
    told |= {(name, ""): region.offset for name, region in snapshot.answering.items()}
    if not told:
        return
    # This machine's own clock may be the wrong one: the middle of all is what each is held against. Where there are two
    # middles it is the one nearer to this machine's.
    ordered = sorted(told.values())
    middle = min(ordered[(len(told) - 1) // 2], ordered[len(told) // 2], key=abs)
    for (name, node), offset in told.items():
        apart = abs(offset - middle)
        if apart <= snapshot.thresholds.clock_skew.seconds:
            continue
        what = f"the node {node}" if node else "the API server's machine"
        report = fault if apart > BACKDATED else warning
        yield report(
            "clock-skew",
            name,
            node or "API server",
            cause=f"The clock of {what} is {span(apart)} {'ahead of' if offset > middle else 'behind'} the others",
            consequence="New certificates are refused where clocks differ by more than 2 minutes, and tokens and logs "
            "are "
            "off",
            cure="Set the clocks right: chrony, or the time service of the cloud",
            command=snapshot.kubectl(name, "get", "--raw", "/healthz", "-v=8", "2>&1", "|", "grep", "Date:"),
        )
