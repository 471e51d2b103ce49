"""Findings of regions, control planes and their proxies: one change of a healthy mesh each, and all that it says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mesh.doctor.checks.regions import remotes
from mesh.doctor.facts import Node, Silent, Snapshot, Sync, Unseen
from tests.doctor.mesh import (
    NOW,
    Change,
    all_of,
    healthy,
    in_region,
    istiod_measured,
    lines,
    measured,
    with_istiod,
    with_proxy,
)


def silent(name: str) -> Change:
    refused = Silent("does not answer (connection refused)", "Start it, or mend its address")
    return lambda snapshot: replace(snapshot, regions={**snapshot.regions, name: refused})


def synced(said: Mapping[str, Any] | Unseen, name: str = "use1") -> Change:
    def change(snapshot: Snapshot) -> Snapshot:
        before = snapshot.sync[name]
        assert not isinstance(before, Unseen)
        after = said if isinstance(said, Unseen) else {k: v for k, v in {**before, **said}.items() if v is not None}
        return replace(snapshot, sync={**snapshot.sync, name: after})

    return change


def reads(said: Mapping[str, str] | Unseen, name: str = "use1") -> Change:
    """What istiod says itself of the clusters that it reads."""
    return lambda snapshot: replace(snapshot, remotes={**snapshot.remotes, name: said})


def one_more(name: str) -> Change:
    """One more cluster in the stack, which the others read and nobody looked into."""

    def change(snapshot: Snapshot) -> Snapshot:
        like = next(iter(snapshot.stack.clusters.values()))
        clusters = {**snapshot.stack.clusters, name: like.model_copy(update={"name": name, "network": name})}
        read = {here: {there: "synced" for there in clusters if there != here} for here in snapshot.regions}
        stack = snapshot.stack.model_copy(update={"clusters": clusters})
        return replace(snapshot, stack=stack, remotes={**snapshot.remotes, **read})

    return change


def states(**changed: str) -> Sync:
    everything = dict.fromkeys(("clusters", "endpoints", "listeners", "routes"), "SYNCED")
    return Sync("1.31.0", {**everything, **changed})


RIGHTS = "Give them the rights of docs/doctor.md"

CASES: list[tuple[str, Change, list[str]]] = [
    (
        "a region is silent",
        silent("usw2"),
        [
            (
                "fault region-silent usw2 -: The API server of usw2 does not answer (connection refused). "
                "Nothing of this region was examined; what runs there goes on as long as it needs no change. "
                "Start it, or mend its address."
            ),
        ],
    ),
    (
        "both are silent",
        all_of(silent("use1"), silent("usw2")),
        [
            (
                "fault region-silent use1 -: The API server of use1 does not answer (connection refused). "
                "Nothing of this region was examined; what runs there goes on as long as it needs no change. "
                "Start it, or mend its address."
            ),
            (
                "fault region-silent usw2 -: The API server of usw2 does not answer (connection refused). "
                "Nothing of this region was examined; what runs there goes on as long as it needs no change. "
                "Start it, or mend its address."
            ),
        ],
    ),
    (
        "a silent region that the other one has not read",
        all_of(silent("usw2"), istiod_measured(remotes={"usw2": "syncing"})),
        [
            (
                "fault region-silent usw2 -: The API server of usw2 does not answer (connection refused). "
                "Nothing of this region was examined; what runs there goes on as long as it needs no change. "
                "Start it, or mend its address."
            ),
        ],
    ),
    (
        "a node is not ready",
        in_region(nodes=(Node("node-1", False, 0.0),)),
        [
            (
                "fault node-not-ready use1 node-1: The node node-1 is not ready. Its pods get no requests, "
                "and are made anew elsewhere after five minutes. See its conditions; replace it where it does"
                " not come back."
            ),
        ],
    ),
    (
        "no istiod",
        in_region(istiods=()),
        [
            (
                "fault istiod-missing use1 istiod: There is no pod of istiod. Proxies go on with what they "
                "have; no new pod gets a proxy, no change and no new certificate arrives, and after a day "
                "requests are refused. See its Deployment and its events, or run `pulumi up`."
            ),
        ],
    ),
    (
        "istiod is not ready",
        with_istiod(ready=False, metrics=None),
        [
            (
                "fault istiod-silent use1 istiod-1-31-a: istiod-1-31-a is not ready. Proxies that hang on it "
                "learn of no change and get no new certificate. See its log; where it hangs, delete the pod, "
                "and another one takes its place."
            ),
        ],
    ),
    (
        "istiod hangs",
        with_istiod(metrics=None),
        [
            (
                "fault istiod-silent use1 istiod-1-31-a: istiod-1-31-a is said to be ready and does not "
                "answer at its monitoring port. Proxies that hang on it learn of no change and get no new "
                "certificate. See its log; where it hangs, delete the pod, and another one takes its place."
            ),
        ],
    ),
    (
        "no remote secret",
        istiod_measured(remotes={}),
        [
            (
                "fault remote-missing use1 usw2: istiod knows no cluster usw2: there is no remote secret of "
                "it, or one that cannot be read. Its endpoints are unknown in use1: no request goes there, "
                "and no failure is made up for there. Run `pulumi up --refresh`, which makes it anew."
            ),
        ],
    ),
    (
        "a remote cluster that does not sync",
        istiod_measured(remotes={"usw2": "timeout"}),
        [
            (
                "fault remote-unsynced use1 usw2: istiod does not read the cluster usw2 (`timeout`): its API "
                "server gives no answer, or refuses. Its endpoints are unknown in use1: no request goes "
                "there, and no failure is made up for there. See istiod's log, and whether "
                "https://usw2.example.com:6443 can be reached from use1."
            ),
        ],
    ),
    (
        "a remote token that was refused from the start",
        all_of(
            istiod_measured(remotes={"usw2": "timeout"}),
            lambda snapshot: in_region(
                istiods=(replace(snapshot.answering["use1"].istiods[0], refused=("failed to list: Unauthorized",)),)
            )(snapshot),
        ),
        [
            (
                "fault remote-unsynced use1 usw2: istiod does not read the cluster usw2 (`timeout`): its API "
                "server refuses the token (401). Its endpoints are unknown in use1: no request goes there, "
                "and no failure is made up for there. Raise `trust.remoteTokens.generation` by one and run "
                "`pulumi up`."
            ),
        ],
    ),
    (
        "one that istiod itself says it does not read",
        reads({"usw2": "timeout"}),
        [
            (
                "fault remote-unsynced use1 usw2: istiod does not read the cluster usw2 (`timeout`): its API "
                "server gives no answer, or refuses. Its endpoints are unknown in use1: no request goes "
                "there, and no failure is made up for there. See istiod's log, and whether "
                "https://usw2.example.com:6443 can be reached from use1."
            ),
        ],
    ),
    (
        "one that istiod itself does not know",
        reads({}),
        [
            (
                "fault remote-missing use1 usw2: istiod knows no cluster usw2: there is no remote secret of "
                "it, or one that cannot be read. Its endpoints are unknown in use1: no request goes there, "
                "and no failure is made up for there. Run `pulumi up --refresh`, which makes it anew."
            ),
        ],
    ),
    ("metrics that lag behind", all_of(reads({"usw2": "synced"}), istiod_measured(remotes={"usw2": "timeout"})), []),
    (
        "metrics after a new token, and no right to ask istiod",
        all_of(reads(Unseen("the credentials do not allow it", RIGHTS)), istiod_measured(remotes={"usw2": "closed"})),
        [],
    ),
    (
        "a remote token that ended",
        with_istiod(refused=("failed to list: Unauthorized",)),
        [
            (
                "fault remote-refused use1 usw2: istiod has read the cluster usw2, and is refused since: the "
                "token is no longer valid (401). use1 goes on with the endpoints that it knew; new pods of "
                "usw2 get no request, and gone ones still do. Raise `trust.remoteTokens.generation` by one "
                "and run `pulumi up`."
            ),
        ],
    ),
    (
        "a remote token that ended, of one of several clusters",
        all_of(with_istiod(refused=("failed to list: Unauthorized",)), one_more("euw1")),
        [
            (
                "fault remote-refused use1 usw2, euw1: istiod has read one of the clusters usw2 and euw1, and is "
                "refused since: the token is no longer valid (401). use1 goes on with the endpoints that it knew; new "
                "pods of it get no request, and gone ones still do. Raise `trust.remoteTokens.generation` by one and "
                "run `pulumi up`."
            ),
        ],
    ),
    (
        "a proxy that istiod does not know, and that says so itself",
        all_of(synced({"web-1.exam": None}), measured("web", connected=False)),
        [
            (
                "fault proxy-cut-off use1 web-1.exam: The proxy of exam/web has no connection to istiod. It "
                "goes on with what it last knew: removed endpoints get requests, and its certificate is not "
                "renewed. See its log for why; delete the pod where it does not come back."
            ),
        ],
    ),
    ("a proxy that another istiod serves", synced({"web-1.exam": None}), []),
    (
        "a stale proxy",
        synced({"web-1.exam": states(routes="STALE", endpoints="STALE")}),
        [
            (
                "fault proxy-stale use1 web-1.exam: The proxy of exam/web has not taken the endpoints and "
                "routes that istiod told it. It works with former ones: removed endpoints get requests, new "
                "rules do not hold. See whether it is short of cpu or hangs; delete the pod where it does."
            ),
        ],
    ),
    (
        "a proxy that refuses",
        synced({"web-1.exam": states(listeners="ERROR")}),
        [
            (
                "fault proxy-rejects use1 web-1.exam: The proxy of exam/web refused the listeners that istiod"
                " told it. It goes on with the former ones, and a pod that starts anew does not become ready."
                " See its log for what it refused; most often an EnvoyFilter or an extension that this Envoy "
                "lacks."
            ),
        ],
    ),
    ("nothing was sent", synced({"web-1.exam": states(routes="NOT_SENT")}), []),
    (
        "a stale proxy that starts",
        all_of(synced({"web-1.exam": states(routes="STALE")}), with_proxy("web", ready=False)),
        [],
    ),
    (
        "no right to ask",
        synced(
            Unseen("the credentials do not allow `istioctl proxy-status`", "Give them the rights of docs/doctor.md")
        ),
        [
            (
                "unseen sync-unseen use1 istiod: Which proxies are in sync was not seen: the credentials do "
                "not allow `istioctl proxy-status`. Proxies that are cut off are found all the same, stale "
                "ones are not. Give them the rights of docs/doctor.md."
            ),
        ],
    ),
    (
        "a proxy that has just refused, by itself",
        measured("web", rejected=1),
        [
            (
                "fault proxy-rejects use1 web-1.exam: The proxy of exam/web refused the configuration that "
                "istiod told it. It goes on with the former ones, and a pod that starts anew does not become "
                "ready. See its log for what it refused; most often an EnvoyFilter or an extension that this "
                "Envoy lacks."
            ),
        ],
    ),
    (
        "a proxy that is cut off, by itself, and no right to ask istiod",
        all_of(synced(Unseen("the credentials do not allow it", RIGHTS)), measured("web", connected=False)),
        [
            (
                "fault proxy-cut-off use1 web-1.exam: The proxy of exam/web has no connection to istiod. It "
                "goes on with what it last knew: removed endpoints get requests, and its certificate is not "
                "renewed. See its log for why; delete the pod where it does not come back."
            ),
            (
                "unseen sync-unseen use1 istiod: Which proxies are in sync was not seen: the credentials do "
                "not allow it. Proxies that are cut off are found all the same, stale ones are not. Give them"
                " the rights of docs/doctor.md."
            ),
        ],
    ),
    (
        "nobody was asked",
        all_of(lambda snapshot: replace(snapshot, sync={}), with_proxy("web", metrics=None)),
        [
            (
                "warning proxy-silent use1 web-1.exam: The proxy of exam/web is ready and does not answer at "
                "its port of metrics (15020). Nothing is known of its certificate, its memory and its "
                "requests; it may hang. See its log; where the cluster's network forbids the API server this "
                "port, allow it."
            ),
        ],
    ),
    (
        "pods without a proxy",
        in_region(bare=(("exam", "web-2"),)),
        [
            (
                "fault pod-without-proxy use1 web-2.exam: web-2 runs without a proxy, though its namespace "
                "exam is injected. Under strict mutual TLS nobody in the mesh takes its requests, and no "
                "policy holds for those that come to it. Delete the pod: it comes back with a proxy. Where it"
                " does not, see the webhooks."
            ),
        ],
    ),
    (
        "a proxy that does not say anything",
        with_proxy("web", metrics=None),
        [
            (
                "warning proxy-silent use1 web-1.exam: The proxy of exam/web is ready and does not answer at "
                "its port of metrics (15020). Nothing is known of its certificate, its memory and its "
                "requests; it may hang. See its log; where the cluster's network forbids the API server this "
                "port, allow it."
            ),
        ],
    ),
    (
        "killed for its memory",
        with_proxy("web", killed=NOW - timedelta(minutes=5)),
        [
            (
                "fault proxy-killed use1 web-1.exam: The proxy of exam/web was killed at its memory limit of "
                "256 MiB, at 11:55:00. Requests under way failed, and will again. Raise "
                "`mesh.proxies.resources.limits.memory`, of a gateway its own."
            ),
        ],
    ),
    ("killed long ago", with_proxy("web", killed=NOW - timedelta(hours=2)), []),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_regions(change: Change, expected: list[str]) -> None:
    assert lines(change) == expected


def test_a_stack_of_one_cluster_reads_no_other() -> None:
    snapshot = with_istiod(refused=("failed to list: Unauthorized",))(healthy())
    clusters = {"use1": snapshot.stack.clusters["use1"]}
    alone = snapshot.stack.model_copy(update={"clusters": clusters})
    assert not list(remotes(replace(snapshot, stack=alone, regions={"use1": snapshot.regions["use1"]})))
