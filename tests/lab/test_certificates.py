"""Who signed a workload's certificate, for how long, and how it is renewed."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from components.config.values import Duration
from lab.waiting import wait_for
from tests.lab.support.certificates import fingerprint, parse_bundle, spiffe_id
from tests.lab.support.engine import Engine
from tests.lab.support.failures import now
from tests.lab.support.site import FRONTEND, SERVICE_URL, SYSTEM, UNDECLARED, Site
from tests.lab.support.traffic import loaded
from tests.lab.support.workloads import PROOF, ROTATING, ROTATING_LIFETIME, ROTATING_URL


@pytest.mark.proof("B1", "a workload's chain: its own region's intermediate, then the shared root; it lives for 24 h")
def test_a_workloads_chain_ends_in_the_shared_root(
    home: Site, peer: Site, engine: Engine, trust_domain: str, record: Callable[..., None]
) -> None:
    certificate = home.istioctl.certificate(UNDECLARED, FRONTEND)
    authorities = certificate.authorities()
    assert len(authorities) == 2, [authority.subject.rfc4514_string() for authority in authorities]
    intermediate, root = authorities
    (own,) = parse_bundle(home.kubectl.secret(SYSTEM, "cacerts")["ca-cert.pem"])
    (others,) = parse_bundle(peer.kubectl.secret(SYSTEM, "cacerts")["ca-cert.pem"])
    assert intermediate == own, f"{home.name} signs with {intermediate.subject.rfc4514_string()}"
    assert intermediate != others, "both regions sign with one intermediate"
    with pytest.raises((InvalidSignature, ValueError)):
        certificate.leaf.verify_directly_issued_by(others)
    root.verify_directly_issued_by(root)
    assert parse_bundle(str(engine.outputs()["mesh"]["rootCertificates"]).encode()) == (root,)
    assert certificate.roots == (root,)
    assert peer.istioctl.certificate(UNDECLARED, FRONTEND).roots == (root,), "the regions trust different roots"

    assert spiffe_id(certificate.leaf) == home.identity(trust_domain, UNDECLARED, FRONTEND)
    wanted = Duration.parse(str(engine.setting("trust", "workloadCertificates", "lifetime"))).seconds
    assert wanted == 24 * 3600
    assert certificate.lifetime == datetime.timedelta(seconds=wanted)
    record(
        root=fingerprint(root)[:16],
        intermediate=intermediate.subject.rfc4514_string(),
        lifetime_h=certificate.lifetime.total_seconds() / 3600,
        intermediate_days=(intermediate.not_valid_after_utc - intermediate.not_valid_before_utc).days,
    )


@pytest.mark.proof("B2", "a certificate of two minutes rotates by itself under load, without a failed request")
def test_a_certificate_rotates_by_itself_under_load(
    home: Site, sites: Mapping[str, Site], rotating: None, record: Callable[..., None]
) -> None:
    caller = home.caller(PROOF, ROTATING)
    with caller.load(SERVICE_URL, rate=20) as outgoing, home.caller().load(ROTATING_URL, rate=20) as incoming:
        first = home.istioctl.certificate(PROOF, ROTATING)
        assert first.lifetime == ROTATING_LIFETIME
        seen_first = caller.get(SERVICE_URL).peer_certificate["Hash"]

        def rotated() -> bool:
            return home.istioctl.certificate(PROOF, ROTATING).leaf.serial_number != first.leaf.serial_number

        wait_for(rotated, deadline=ROTATING_LIFETIME.total_seconds(), what="a new serial", interval=1)
        second = home.istioctl.certificate(PROOF, ROTATING)
        # Each request that waits for a new connection shows the receiver the certificate that is in use by then.
        wait_for(
            lambda: caller.get(SERVICE_URL).peer_certificate["Hash"] == fingerprint(second.leaf),
            deadline=60,
            what="a receiver that sees the new certificate",
        )
        third = home.istioctl.certificate(PROOF, ROTATING)
    record(
        serials=[f"{certificate.leaf.serial_number:x}"[:12] for certificate in (first, second)],
        rotated_after_s=(second.leaf.not_valid_before_utc - first.leaf.not_valid_before_utc).total_seconds(),
        outgoing=outgoing.figures,
        incoming=incoming.figures,
    )
    assert seen_first != fingerprint(second.leaf)
    assert third.authorities() == first.authorities(), "the same authorities sign before and after"
    assert outgoing.failed == 0, outgoing.figures
    assert incoming.failed == 0, incoming.figures
    assert set(outgoing.regions) == {site.region.region for site in sites.values()}


def _intermediates(sites: Mapping[str, Site]) -> dict[str, x509.Certificate]:
    return {
        name: parse_bundle(site.kubectl.secret(SYSTEM, "cacerts")["ca-cert.pem"])[0] for name, site in sites.items()
    }


@pytest.mark.disruptive
@pytest.mark.proof("B1", "intermediates renewed by raising one number under load, without a failed request")
def test_intermediates_are_renewed_under_load(
    sites: Mapping[str, Site],
    mesh_alone: None,
    rotating: None,
    engine: Engine,
    record: Callable[..., None],
    chart: Callable[..., None],
    starts_anew: None,
) -> None:
    generation = int(engine.setting("trust", "intermediates", "generation")) + 1
    config = engine.configured({"trust": {"intermediates": {"generation": generation}}})
    before = _intermediates(sites)
    loads = [
        (site.caller(namespace, workload), url)
        for site in sites.values()
        for namespace, workload, url in ((UNDECLARED, FRONTEND, ROTATING_URL), (PROOF, ROTATING, SERVICE_URL))
    ]
    with loaded(loads) as running:
        began = now()
        changes = engine.up(config)
        after = _intermediates(sites)
        for name, site in sites.items():
            assert after[name] != before[name], f"{name} kept its intermediate"
            assert after[name].not_valid_after_utc > before[name].not_valid_after_utc

            def signed_anew(site: Site = site, name: str = name) -> bool:
                intermediate, _ = site.istioctl.certificate(PROOF, ROTATING).authorities()
                return intermediate == after[name]

            wait_for(
                signed_anew,
                deadline=ROTATING_LIFETIME.total_seconds() * 1.5,
                what=f"a workload certificate of {name} from its new intermediate",
                interval=1,
            )
            old, root = site.istioctl.certificate(UNDECLARED, FRONTEND).authorities()
            assert old == before[name], "certificates that have not ended are still the old intermediate's"
            assert site.istioctl.certificate(PROOF, ROTATING).authorities()[1] == root, "the root is the same"
        # Old and new have met in both directions, in the region and across: all four loads ran on for it.
        for site in sites.values():
            assert site.caller(PROOF, ROTATING).requests(SERVICE_URL, 50).failed == 0
            assert site.caller().requests(ROTATING_URL, 50).failed == 0
    record(
        generation=generation,
        up_s=round(changes.seconds, 1),
        operations=dict(changes.operations),
        sent=sum(load.sent for load in running),
        failed=sum(load.failed for load in running),
    )
    chart("every intermediate is renewed: requests of both regions", running, [(began, "`up` begins")])
    for load in running:
        assert load.failed == 0, load.figures
