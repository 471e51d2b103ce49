"""Who may call a service: its declared callers from every region, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.config.defaults import PUBLIC_PATHS
from lab.tenant.manifests import HTTP
from tests.lab.support.inside import Entrance
from tests.lab.support.site import EXAM, FRONTEND, UNDECLARED, Site, host_of, url_of

GUARDED = "guarded"  # see tests/lab/stage/access.yaml
IMPOSTOR = "impostor"
CALLER = "deploy/caller"
REQUESTS = 20
ALERT = 3.0  # seconds for a refusal of a certificate to come, which ends the waiting
DENIED = b"RBAC: access denied"


def _only(site: Site) -> str:
    """Name of the service that runs in this region alone."""
    return f"only-{site.name}"


@pytest.mark.proof("F4", "a declared caller is answered in its own and by the other region")
def test_a_declared_caller_is_answered(home: Site, peer: Site, trust_domain: str, record: Callable[..., None]) -> None:
    caller = home.caller(GUARDED, CALLER)
    answered: dict[str, dict[str, int]] = {}
    for site in (home, peer):
        load = caller.requests(url_of(_only(site), GUARDED), REQUESTS)
        assert load.failed == 0, load.figures
        assert load.regions == {site.region.region: REQUESTS}, load.regions
        answered[host_of(_only(site), GUARDED)] = load.regions
        seen = caller.get(url_of(_only(site), GUARDED)).peer_certificate["URI"]
        assert seen == f"spiffe://{trust_domain}/ns/{GUARDED}/sa/caller"
    record(requests=REQUESTS * 2, answered=answered)


@pytest.mark.proof(
    "F4",
    "pods that no service declares as callers are refused in both regions, whatever their name; public paths answer",
)
def test_other_pods_are_refused(home: Site, peer: Site, record: Callable[..., None]) -> None:
    senders = {
        "undeclared pod of the namespace": (GUARDED, "deploy/stranger"),
        "pod of another namespace": (UNDECLARED, FRONTEND),
        "same name and account in another namespace": (IMPOSTOR, CALLER),
    }
    statuses: dict[str, dict[str, int]] = {}
    public: dict[str, dict[str, int]] = {}
    for name, sender in senders.items():
        for site in (home, peer):
            caller, service = home.caller(*sender), _only(site)
            load = caller.requests(url_of(service, GUARDED), REQUESTS)
            statuses[f"{name} to {site.name}"] = load.summary["statuses"]
            # Open to the whole mesh where a service does not say otherwise: the same sender, and only the path differs.
            public[f"{name} to {site.name}"] = {
                path: caller.get(url_of(service, GUARDED, path)).status for path in PUBLIC_PATHS
            }
    # On the platform itself: a service that another does not name. Its own proxy does not know that name.
    exam = home.caller(EXAM, "deploy/legacy-metrics").get(url_of("exam-service", EXAM))
    record(
        requests=len(statuses) * REQUESTS,
        answered=sum(counts.get("200", 0) for counts in statuses.values()),
        statuses=statuses,
        public=public,
        undeclared_call_of_the_exam=exam.status,
    )
    assert all(counts == {"403": REQUESTS} for counts in statuses.values()), statuses
    assert all(answers == {"/health": 200, "/metrics": 200} for answers in public.values()), public
    assert exam.status != 200
    assert not exam.echo


@pytest.mark.proof(
    "F4", "of all identities the callee's proxy takes the declared one alone; a pod of no service takes none"
)
def test_the_callee_judges_by_identity(
    home: Site, peer: Site, trust_domain: str, tmp_path: Path, record: Callable[..., None]
) -> None:
    entrance = Entrance.of(home, peer, tmp_path)

    def ask(identity: str, service: str) -> tuple[int | None, bytes]:
        answer = entrance.insider(f"spiffe://{trust_domain}/ns/{identity}").get(host_of(service, GUARDED))
        assert answer.reached == "answered", f"{identity}: {answer.reached} {answer.error}"
        return answer.status, answer.body

    allowed = f"{GUARDED}/sa/caller"
    assert ask(allowed, _only(home))[0] == 200
    refused = {
        f"{identity} to {host_of(service, GUARDED)}": ask(identity, service)
        for identity, service in (
            (f"{GUARDED}/sa/stranger", _only(home)),
            (f"{GUARDED}/sa/vault", _only(home)),
            (f"{GUARDED}/sa/default", _only(home)),
            (f"{GUARDED}/sa/Caller", _only(home)),
            (f"{GUARDED}/sa/caller2", _only(home)),
            (f"{GUARDED}2/sa/caller", _only(home)),
            (f"{IMPOSTOR}/sa/caller", _only(home)),
            (f"{UNDECLARED}/sa/frontend", _only(home)),
            ("istio-ingress/sa/istio-ingress", _only(home)),
            # Nothing is said of this pod: the namespace's default holds, for its neighbours too.
            (allowed, "stranger"),
            (f"{GUARDED}/sa/stranger", "stranger"),
        )
    }
    record(refused={what: status for what, (status, _) in refused.items()})
    assert refused == dict.fromkeys(refused, (403, DENIED))


@pytest.mark.proof(
    "F4", "a foreign trust domain is refused in the handshake, though the mesh's own authority signed it"
)
def test_a_foreign_trust_domain_is_refused(
    home: Site, peer: Site, trust_domain: str, tmp_path: Path, record: Callable[..., None]
) -> None:
    errors: dict[str, str] = {}
    for issuer in (home, peer):
        entrance = Entrance.of(home, issuer, tmp_path)
        control = entrance.insider(f"spiffe://{trust_domain}/ns/{GUARDED}/sa/caller").get(host_of(_only(home), GUARDED))
        assert control.status == 200, f"the right trust domain is refused too: {control}"
        for domain in ("elsewhere.local", "cluster.local", f"{trust_domain}.example", f"x{trust_domain}"):
            foreign = entrance.insider(f"spiffe://{domain}/ns/{GUARDED}/sa/caller")
            # The alert comes right after the handshake: what is sent at once may meet a closed connection instead.
            answer = foreign.get(host_of(_only(home), GUARDED), listen=ALERT)
            assert answer.status is None, f"{domain} was answered: {answer}"
            assert "CERTIFICATE" in answer.error.upper(), f"{domain} was refused for another reason: {answer}"
            errors[f"{domain}, signed in {issuer.name}"] = answer.error
    record(refused=errors)


@pytest.mark.proof("F4", "plain text is refused by a service with declared callers")
def test_plain_text_is_refused(home: Site, record: Callable[..., None]) -> None:
    pods = home.kubectl.items("pod", "-n", GUARDED, "-l", f"app={_only(home)}")
    (address,) = {str(pod["status"]["podIP"]) for pod in pods}
    outsider = home.outsider()
    request = f"GET / HTTP/1.1\r\nHost: {host_of(_only(home), GUARDED)}\r\n\r\n"
    result = outsider.tcp(f"{address}:{HTTP}", send=request)
    assert result["connected"], f"{address} was not reached, which proves nothing: {result['error']}"
    kind = (result["error"] or {}).get("kind", "")
    assert result["closed"] or kind in ("reset", "closed"), f"{address} neither answered nor refused: {result}"
    assert result["received"] == ""
    by_name = outsider.get(url_of(_only(home), GUARDED))
    assert by_name.status == 0, f"answered: {by_name}"
    record(by_address=kind or "closed", by_name=by_name.error)
