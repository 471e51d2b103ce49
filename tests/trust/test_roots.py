"""The roots of a mesh change one step at a time, and none that would cut a proxy off."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pytest
from cryptography import x509
from pulumi.output import Unknown
from pulumi.runtime import rpc

from components.clusters.api import Connection, Unreachable
from components.clusters.cluster import Access, Cluster
from components.config.rotation import NONE, STAGES
from components.trust import certificates, roots
from components.trust.proxies import Proxy
from components.trust.roots import RootBundle, _RootBundleProvider  # pyright: ignore[reportPrivateUsage]
from tests import mocks
from tests.builders import authority, intermediate, write_kubeconfig

PAIRS = [authority(f"Root {number}") for number in (1, 2, 3)]
FIRST, SECOND, THIRD = (pair.certificate for pair in PAIRS)
PROVIDER = _RootBundleProvider()
ORDER = (NONE, "trust-both", "sign-new", "drop-old")


def parsed(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def properties(
    trusts: Sequence[str], signer: str, phase: str = NONE, clusters: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    return {"bundle": certificates.bundle(trusts), "signer": signer, "phase": phase, "clusters": list(clusters)}


def in_phase(
    phase: str, present: str = FIRST, following: str = SECOND, clusters: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    stage, both = STAGES[phase], (present, following)
    return properties([both[place] for place in stage.trusts], both[stage.signs], phase, clusters)


def reasons(before: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return [failure.reason for failure in PROVIDER.check(before, wanted).failures]


def proxy(pod: str, *, trusts: Sequence[int], root: int) -> Proxy:
    """One that trusts these of the roots, and whose chain ends in one: as istiod sends it, with all roots after it."""
    signer = intermediate("use1", PAIRS[root - 1])
    leaf = intermediate(pod, signer, ca=False, path_length=None, key_cert_sign=False)
    trusted = tuple(parsed(PAIRS[number - 1].certificate) for number in trusts)
    return Proxy(pod, (parsed(leaf.certificate), parsed(signer.certificate), *trusted), trusted)


Look = Callable[[Sequence[Proxy] | Unreachable], None]


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    return {"name": "use1", "kubeconfig": str(write_kubeconfig(tmp_path, "use1")), "context": "use1"}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Look:
    """What each cluster's proxies show."""

    def show(found: Sequence[Proxy] | Unreachable) -> None:
        def read(_connection: Connection) -> list[Proxy]:
            if isinstance(found, Unreachable):
                raise found
            return list(found)

        monkeypatch.setattr(roots, "read_proxies", read)
        monkeypatch.setattr(roots, "connect", lambda *_: None)

    return show


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> list[Proxy]:
        raise AssertionError("proxies were asked although nothing could cut them off")

    monkeypatch.setattr(roots, "connect", read)


SEE = "see docs/rotate-the-root.md"
MEANWHILE = "The clusters would take it one after the other, and meanwhile refuse each other's requests"
FROM_NONE = f"Write the present root as it was, and begin with `trust.rotation.phase: trust-both`: {SEE}."
FROM_BOTH = f"Write `sign-new` to go on, or take `rotation` out, with `root` as it was, to go back: {SEE}."
FROM_NEW = f"Write `drop-old` to go on, or `trust-both` to go back: {SEE}."
FROM_OLD = f"To end it take `rotation` out, with the next root as `root`; to go back write `sign-new`: {SEE}."


@pytest.mark.parametrize(
    ("before", "wanted", "said"),
    [
        (
            in_phase(NONE),
            in_phase("sign-new"),
            f"istio-mesh:trust.rotation: `sign-new` cannot follow no rotation. {MEANWHILE}. {FROM_NONE}",
        ),
        (
            in_phase(NONE),
            in_phase("drop-old"),
            f"istio-mesh:trust.rotation: `drop-old` cannot follow no rotation. {MEANWHILE}. {FROM_NONE}",
        ),
        (
            in_phase(NONE),
            in_phase(NONE, SECOND),
            f"istio-mesh:trust.root: another root cannot follow no rotation. {MEANWHILE}. {FROM_NONE}",
        ),
        (
            in_phase("trust-both"),
            in_phase("drop-old"),
            f"istio-mesh:trust.rotation: `drop-old` cannot follow `trust-both`. {MEANWHILE}. {FROM_BOTH}",
        ),
        (
            in_phase("trust-both"),
            in_phase(NONE, SECOND),
            f"istio-mesh:trust.root: another root cannot follow `trust-both`. {MEANWHILE}. {FROM_BOTH}",
        ),
        (
            in_phase("trust-both"),
            in_phase("trust-both", FIRST, THIRD),
            f"istio-mesh:trust.rotation: another next root cannot follow `trust-both`. {MEANWHILE}. {FROM_BOTH}",
        ),
        (
            in_phase("sign-new"),
            in_phase(NONE),
            f"istio-mesh:trust.root: another root cannot follow `sign-new`. {MEANWHILE}. {FROM_NEW}",
        ),
        (
            in_phase("drop-old"),
            in_phase("trust-both"),
            f"istio-mesh:trust.rotation: `trust-both` cannot follow `drop-old`. {MEANWHILE}. {FROM_OLD}",
        ),
        (
            in_phase("drop-old"),
            in_phase(NONE),
            f"istio-mesh:trust.root: another root cannot follow `drop-old`. {MEANWHILE}. {FROM_OLD}",
        ),
        (
            in_phase("trust-both"),
            properties([SECOND, FIRST], FIRST, "trust-both"),
            f"istio-mesh:trust.rotation: another next root cannot follow `trust-both`. {MEANWHILE}. {FROM_BOTH}",
        ),
    ],
    ids=[
        "a phase left out", "two left out", "a root swapped", "the middle left out", "ended too early",
        "another next root", "taken back at once", "two steps back", "ended with the old root", "another order",
    ],
)  # fmt: skip
def test_a_skipped_phase_is_refused_with_what_may_follow(
    before: dict[str, Any], wanted: dict[str, Any], said: str
) -> None:
    assert reasons(before, wanted) == [said]


def test_the_neighbours_of_each_phase_and_no_others_follow_it(seen: Look) -> None:
    seen([])
    for place, before in enumerate(ORDER):
        for other, wanted in enumerate(ORDER):
            allowed = abs(place - other) <= 1
            assert (reasons(in_phase(before), in_phase(wanted)) == []) == allowed, f"{before or 'none'} to {wanted}"


def test_a_rotation_ends_with_the_next_root_as_the_present_one_and_another_can_begin(unasked: None) -> None:
    ended = in_phase(NONE, SECOND)
    assert reasons(in_phase("drop-old"), ended) == []
    assert ended["bundle"] == in_phase("drop-old")["bundle"], "nothing is told to any cluster by the end of it"
    assert reasons(ended, in_phase("trust-both", SECOND, THIRD)) == []


def test_a_state_of_before_there_were_rotations_goes_on(unasked: None) -> None:
    old = {"bundle": FIRST}
    assert reasons(old, in_phase(NONE)) == []
    assert not PROVIDER.diff("roots", old, in_phase(NONE)).changes
    assert reasons(old, in_phase("trust-both")) == []
    assert len(reasons(old, in_phase("sign-new"))) == 1


def test_a_step_that_only_adds_a_root_asks_no_proxy(unasked: None) -> None:
    """Or one lost region would keep a rotation from beginning."""
    assert reasons(in_phase(NONE), in_phase("trust-both")) == []
    assert reasons(in_phase("drop-old"), in_phase("sign-new")) == []
    for phase in ORDER:
        assert reasons(in_phase(phase), in_phase(phase)) == []


def test_signing_waits_for_every_proxy_to_trust_the_signer(seen: Look, cluster: dict[str, str]) -> None:
    both, late = proxy("exam/web", trusts=(1, 2), root=1), proxy("exam/late", trusts=(1,), root=1)
    before, wanted = in_phase("trust-both", clusters=[cluster]), in_phase("sign-new", clusters=[cluster])
    seen([both, late])
    assert reasons(before, wanted) == [
        "istio-mesh:trust.rotation: `sign-new` is too early: 1 of 2 proxies and the others would refuse each other's "
        "requests. Without trust in CN=Root 2: use1 exam/late. istiods tell proxies within two minutes of the "
        "`up` before: wait, and run again. For those that stay behind see `istioctl proxy-status`, and start their "
        "pods anew."
    ]
    seen([both, both])
    assert reasons(before, wanted) == []


def test_dropping_waits_for_every_proxy_to_show_a_new_certificate(seen: Look, cluster: dict[str, str]) -> None:
    new, late = proxy("exam/web", trusts=(1, 2), root=2), proxy("exam/late", trusts=(1, 2), root=1)
    before, wanted = in_phase("sign-new", clusters=[cluster]), in_phase("drop-old", clusters=[cluster])
    seen([late, new])
    assert reasons(before, wanted) == [
        "istio-mesh:trust.rotation: `drop-old` is too early: 1 of 2 proxies and the others would refuse each other's "
        "requests. With a certificate of CN=Root 1: use1 exam/late. istiods tell proxies within two minutes "
        "of the `up` before: wait, and run again. For those that stay behind raise `trust.rotation.reissue` by one in "
        "the phase before, or start their pods anew."
    ]
    seen([new])
    assert reasons(before, wanted) == []


def test_the_way_back_waits_likewise(seen: Look, cluster: dict[str, str]) -> None:
    at = [cluster]
    seen([proxy("exam/web", trusts=(1, 2), root=2)])
    assert reasons(in_phase("sign-new", clusters=at), in_phase("trust-both", clusters=at)) == [], (
        "all trust the former signer"
    )
    (said,) = reasons(in_phase("trust-both", clusters=at), in_phase(NONE, clusters=at))
    assert said.startswith(
        "istio-mesh:trust.rotation: the end of the rotation is too early: 1 of 1 proxies and the others would refuse "
        "each other's requests. With a certificate of CN=Root 2: use1 exam/web."
    )
    seen([proxy("exam/web", trusts=(2,), root=2)])
    (said,) = reasons(in_phase("sign-new", clusters=at), in_phase("trust-both", clusters=at))
    assert "Without trust in CN=Root 1: use1 exam/web" in said, "the root was dropped and is trusted again only since"


def test_a_proxy_that_cannot_be_read_holds_a_rotation_up(seen: Look, cluster: dict[str, str]) -> None:
    strange = proxy("exam/strange", trusts=(1, 2), root=3)
    silent = [Proxy(f"exam/lost-{n}", unknown="there is no answer within 15 s") for n in range(7)]
    seen([*silent, Proxy("exam/new"), strange])
    (said,) = reasons(in_phase("trust-both", clusters=[cluster]), in_phase("sign-new", clusters=[cluster]))
    assert (
        "9 of 9 proxies and the others would refuse each other's requests. Not to be asked (there is no "
        "answer within 15 s): use1 exam/lost-0, use1 exam/lost-1, use1 exam/lost-2, use1 exam/lost-3, use1 exam/lost-4 "
        "and 2 more; without a certificate or a root yet: use1 exam/new; with a certificate of a root that is none of "
        "the stack's: use1 exam/strange. istiods"
    ) in said


def test_a_cluster_that_cannot_be_asked_is_told(seen: Look, cluster: dict[str, str], tmp_path: Path) -> None:
    seen(Unreachable("does not answer within 5 s", "Start the cluster"))
    before, wanted = in_phase("trust-both"), in_phase("sign-new", clusters=[cluster])
    assert reasons(before, wanted) == [
        "istio-mesh:trust.rotation: the proxies of the cluster `use1` cannot be asked what they trust: the API server "
        "does not answer within 5 s. They might be cut off. Start the cluster, and run again."
    ]


def test_a_kubeconfig_that_is_gone_is_told() -> None:
    lost = {"name": "use1", "kubeconfig": "gone", "context": "use1"}
    assert reasons(in_phase("trust-both"), in_phase("sign-new", clusters=[lost])) == [
        "istio-mesh:trust.rotation: the proxies of the cluster `use1` cannot be asked what they trust: there is no "
        "file gone. They might be cut off. Mend the path. Paths are relative to Pulumi.yaml, and run again."
    ]


def test_the_same_roots_with_other_line_ends_are_no_swap(unasked: None) -> None:
    windows = FIRST.replace("\n", "\r\n")
    assert reasons(in_phase(NONE), {**in_phase(NONE), "bundle": windows, "signer": windows}) == []


def test_a_first_up_may_stand_in_any_phase(unasked: None) -> None:
    for phase in ORDER:
        assert reasons({}, in_phase(phase)) == []


@pytest.mark.parametrize("unknown", [rpc.UNKNOWN, Unknown(), None])
def test_a_preview_lets_a_root_that_is_to_be_made_be_added_and_not_sign(unknown: Any, unasked: None) -> None:
    added = {**in_phase("trust-both"), "bundle": unknown}
    assert reasons(in_phase(NONE), added) == []
    assert PROVIDER.diff("roots", in_phase(NONE), added).changes
    for phase in ("sign-new", "drop-old"):
        skipped = {**in_phase(phase), "bundle": unknown, "signer": unknown}
        (said,) = reasons(in_phase(NONE), skipped)
        assert said.startswith(f"istio-mesh:trust.rotation: `{phase}` cannot follow no rotation.")
    assert reasons({}, {**in_phase(NONE), "bundle": unknown, "signer": unknown}) == []


def test_the_same_bundle_is_no_change_and_another_one_is_taken_over() -> None:
    same, more = in_phase(NONE), in_phase("trust-both")
    assert not PROVIDER.diff("roots", same, same).changes
    assert PROVIDER.diff("roots", same, more).changes
    assert PROVIDER.diff("roots", more, in_phase("sign-new")).changes, "who signs is remembered too"
    assert PROVIDER.update("roots", same, more).outs == more


def test_a_bundle_comes_out_as_it_went_in_and_knows_whom_to_ask() -> None:
    def program() -> None:
        there = Cluster(
            name="use1", region="use1", network="use1", provider=None, api_server="", kubernetes_version="",  # pyright: ignore[reportArgumentType]
            access=Access(None, "use1"),
        )  # fmt: skip
        bundle = RootBundle("roots", bundle=FIRST + SECOND, signer=FIRST, phase="trust-both", clusters=[there])
        pulumi.export("roots", bundle.bundle)

    done = mocks.run(program)
    assert done.outputs == {"roots": FIRST + SECOND}
    inputs = done.named("roots").inputs
    assert inputs["clusters"] == [{"name": "use1", "kubeconfig": "", "context": "use1"}]
    assert (inputs["signer"], inputs["phase"]) == (FIRST, "trust-both")
