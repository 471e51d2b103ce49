"""Findings of roots, intermediates, certificates and clocks."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mesh.doctor.facts import Certificates, Door, Node
from mesh.doctor.thresholds import Thresholds
from tests.builders import authority, intermediate
from tests.doctor.mesh import (
    API,
    END,
    NOW,
    ROOT,
    Change,
    all_of,
    at,
    certificates,
    chain,
    in_region,
    istiod_measured,
    lines,
    measured,
    public,
    with_proxy,
)

FOREIGN = certificates(authority("Somebody"))


def own_root(organisation: str = "exam-platform.local") -> Certificates:
    """As istiod makes it when it has no cacerts, of the trust domain."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(END)
        .sign(key, hashes.SHA256())
    )
    return (made,)


def east_west(shown: Certificates = (), refused: str = "") -> Change:
    door = Door("198.51.100.2:15443", f"{API}:8080", shown or chain("use1"), refused=refused)
    return lambda snapshot: replace(snapshot, east_west={**snapshot.east_west, "use1": door})


def ingress(days: int = 60, refused: str = "") -> Change:
    door = Door("198.51.100.1:443", "exam-platform.com", public("exam-platform.com", days), refused=refused)
    return lambda snapshot: replace(snapshot, ingress={"use1": (door,)})


EARLY = certificates(intermediate("Intermediate CA use1", ROOT, begin=at(NOW + timedelta(minutes=10))))

CASES: list[tuple[str, Change, list[str]]] = [
    (
        "a root of its own",
        in_region(roots=own_root()),
        [
            (
                "fault root-own use1 istiod: istiod made a root of its own: it started without the Secret "
                "cacerts. Workloads of use1 and of the other regions refuse each other, from their next "
                "certificate on. Run `pulumi up --refresh`, which makes cacerts anew, then `kubectl rollout "
                "restart` istiod."
            ),
        ],
    ),
    (
        "a foreign root",
        in_region(roots=FOREIGN),
        [
            (
                "fault root-foreign use1 istiod: Workloads trust the root `CN=Somebody`, which is none of the"
                " stack's. Workloads of use1 and of the other regions refuse each other, from their next "
                "certificate on. Run `pulumi up --refresh`, which makes cacerts anew, then `kubectl rollout "
                "restart` istiod."
            ),
        ],
    ),
    (
        "a foreign root with an organisation alone",
        in_region(roots=own_root("Somebody")),
        [
            (
                "fault root-foreign use1 istiod: Workloads trust the root `O=Somebody`, which is none of the"
                " stack's. Workloads of use1 and of the other regions refuse each other, from their next "
                "certificate on. Run `pulumi up --refresh`, which makes cacerts anew, then `kubectl rollout "
                "restart` istiod."
            ),
        ],
    ),
    ("a root more, in a rotation", in_region(roots=(*certificates(ROOT), *FOREIGN)), []),
    (
        "a foreign root that is shown to others too",
        all_of(in_region(roots=FOREIGN), east_west(FOREIGN, "self-signed certificate in certificate chain")),
        [
            (
                "fault root-foreign use1 istiod: Workloads trust the root `CN=Somebody`, which is none of the"
                " stack's. Workloads of use1 and of the other regions refuse each other, from their next "
                "certificate on. Run `pulumi up --refresh`, which makes cacerts anew, then `kubectl rollout "
                "restart` istiod."
            ),
        ],
    ),
    (
        "an intermediate that ends",
        istiod_measured(authority_until=NOW + timedelta(days=20)),
        [
            (
                "warning authority-ends use1 istiod-1-31-a: The intermediate of use1 ends on 2027-03-21 "
                "12:00, in 20 d. From then on what it signed is refused: every connection from and to this "
                "region. Raise `trust.intermediates.generation` by one and run `pulumi up`."
            ),
        ],
    ),
    (
        "an intermediate that ended",
        istiod_measured(authority_until=NOW - timedelta(days=1)),
        [
            (
                "fault authority-ends use1 istiod-1-31-a: The intermediate of use1 ended on 2027-02-28 12:00."
                " From then on what it signed is refused: every connection from and to this region. Raise "
                "`trust.intermediates.generation` by one and run `pulumi up`."
            ),
        ],
    ),
    (
        "an intermediate of somebody else",
        istiod_measured(authority_until=END.replace(year=2040)),
        [
            (
                "fault authority-other use1 istiod-1-31-a: istiod signs with an intermediate that ends on "
                "2040-01-29 12:00, and the stack's ends on 2029-01-29 12:00. It is not the one that the stack"
                " keeps: nobody warns of its end. Run `pulumi up --refresh`; where istiod does not take it, "
                "restart istiod."
            ),
        ],
    ),
    (
        "a root that ends",
        istiod_measured(root_until=NOW + timedelta(days=20)),
        [
            (
                "warning root-ends use1 istiod-1-31-a: The root ends on 2027-03-21, in 20 d. From then on "
                "every connection in the mesh is refused. Rotate the root."
            ),
        ],
    ),
    (
        "a certificate that is not renewed",
        measured("web", certificate_left=3600),
        [
            (
                "fault certificate-ends use1 web-1.exam: The certificate of exam/web ends in 60 min, and was "
                "to be renewed at half of its 24 h. From then on every other proxy refuses it. See why it "
                "gets none from istiod: its log, and that of istiod; delete the pod where it does not come "
                "back."
            ),
        ],
    ),
    (
        "a certificate that ended",
        measured("web", certificate_left=-7200),
        [
            (
                "fault certificate-ends use1 web-1.exam: The certificate of exam/web ended 2 h ago, and was "
                "to be renewed at half of its 24 h. It is refused by every other proxy. See why it gets none "
                "from istiod: its log, and that of istiod; delete the pod where it does not come back."
            ),
        ],
    ),
    (
        "a short-lived certificate",
        all_of(with_proxy("web", certificate_lifetime=120)),
        [],
    ),
    (
        "a chain that leads elsewhere",
        east_west(FOREIGN, "self-signed certificate in certificate chain"),
        [
            (
                "fault chain-refused use1 api.exam.svc.cluster.local:8080: What "
                "api.exam.svc.cluster.local:8080 shows does not lead to a root of the stack (self-signed "
                "certificate in certificate chain). Proxies of other regions refuse it: connections to it "
                "fail in the handshake. Delete its pods, which then get certificates of the present "
                "authority; see whether istiod has the stack's."
            ),
        ],
    ),
    (
        "a chain that is not valid yet",
        east_west(EARLY, "certificate is not yet valid"),
        [
            (
                "fault certificate-early use1 api.exam.svc.cluster.local:8080: A certificate that "
                "api.exam.svc.cluster.local:8080 shows becomes valid only in 10 min. Until then other proxies"
                " refuse it: connections to it fail in the handshake. Set the clocks right (chrony, or the "
                "time service of the cloud), and renew: raise `trust.intermediates.generation` by one and run"
                " `pulumi up`."
            ),
        ],
    ),
    (
        "a public certificate that ends",
        ingress(5),
        [
            (
                "warning ingress-certificate-ends use1 exam-platform.com: The certificate of "
                "exam-platform.com ends on 2027-03-06, in 5 d. From then on clients refuse the connection. "
                "Renew it: with `tls.generated` by `pulumi up`, else where it comes from."
            ),
        ],
    ),
    (
        "a public certificate that is not valid yet",
        lambda snapshot: replace(
            snapshot, ingress={"use1": (Door("198.51.100.1:443", "exam-platform.com", EARLY, refused="not yet valid"),)}
        ),
        [
            (
                "fault certificate-early use1 exam-platform.com: A certificate that exam-platform.com shows becomes "
                "valid only in 10 min. Until then clients refuse the connection. Set the clocks right (chrony, or the "
                "time service of the cloud), that of whoever made it too, and renew it."
            ),
        ],
    ),
    (
        "a public certificate that is refused",
        ingress(60, "Hostname mismatch"),
        [
            (
                "fault ingress-refused use1 exam-platform.com: The certificate of exam-platform.com is not "
                "accepted (Hostname mismatch). Clients refuse the connection. Renew it: with `tls.generated` "
                "by `pulumi up`, else where it comes from; see that it names the host."
            ),
        ],
    ),
    ("a clock that is a bit off", in_region(nodes=(Node("node-1", True, 29.0),)), []),
    (
        "a clock that is off",
        in_region(nodes=(Node("node-1", True, 45.0),)),
        [
            (
                "warning clock-skew use1 node-1: The clock of the node node-1 is 45 s ahead of the others. "
                "New certificates are refused where clocks differ by more than 2 minutes, and tokens and logs"
                " are off. Set the clocks right: chrony, or the time service of the cloud."
            ),
        ],
    ),
    (
        "a clock that is far off",
        in_region(nodes=(Node("node-1", True, -150.0),)),
        [
            (
                "fault clock-skew use1 node-1: The clock of the node node-1 is 2 min behind the others. New "
                "certificates are refused where clocks differ by more than 2 minutes, and tokens and logs are"
                " off. Set the clocks right: chrony, or the time service of the cloud."
            ),
        ],
    ),
    (
        "an API server's clock",
        in_region(offset=40.0),
        [
            (
                "warning clock-skew use1 API server: The clock of the API server's machine is 40 s ahead of "
                "the others. New certificates are refused where clocks differ by more than 2 minutes, and "
                "tokens and logs are off. Set the clocks right: chrony, or the time service of the cloud."
            ),
        ],
    ),
    (
        "this machine's own clock",
        all_of(
            in_region("use1", offset=300.0, nodes=(Node("node-1", True, 300.0),)),
            in_region("usw2", offset=300.0, nodes=(Node("node-1", True, 300.0),)),
        ),
        [],
    ),
    (
        "a stricter team",
        all_of(
            measured("web", certificate_left=40_000),
            lambda snapshot: replace(snapshot, thresholds=Thresholds.model_validate({"workloadCertificate": 50})),
        ),
        [
            (
                "fault certificate-ends use1 web-1.exam: The certificate of exam/web ends in 11 h, and was to"
                " be renewed at half of its 24 h. From then on every other proxy refuses it. See why it gets "
                "none from istiod: its log, and that of istiod; delete the pod where it does not come back."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_trust(change: Change, expected: list[str]) -> None:
    assert lines(change) == expected
