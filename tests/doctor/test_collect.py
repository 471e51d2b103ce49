"""Asking regions: against API servers on this machine, with an istioctl and a kubectl that say what they are told."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mesh.doctor.checks import examine
from mesh.doctor.collect import Access, Options, gather
from mesh.doctor.collect.api import Right, offset, right_of
from mesh.doctor.collect.tools import still
from mesh.doctor.facts import Region, Silent, Snapshot, Sync, Unseen, Way
from mesh.doctor.thresholds import Thresholds
from tests.doctor.cluster import Cluster, serving
from tests.doctor.mesh import END, NAMES, outputs
from tests.doctor.test_docs import roles

PROXIES = ("web-1.exam", "api-1.exam", "istio-ingress-a.istio-ingress", "istio-eastwestgateway-a.istio-system")


def cluster(name: str, **changes: Any) -> Cluster:
    (peer,) = (other for other in NAMES if other != name)
    return Cluster(name, peer, END.timestamp(), **changes)


@dataclass
class Tools:
    """An istioctl and a kubectl in a folder of their own, which answer by what is asked."""

    folder: Path

    def says(self, name: str, answers: Mapping[str, tuple[str, str, int]]) -> None:
        """`answers`: what is printed on both streams, and the exit status, by a word of the command."""
        lines = ["#!/bin/sh", f"echo \"$*\" >> '{self.folder}/{name}.log'", 'case "$*" in']
        for number, (word, (out, err, code)) in enumerate(answers.items()):
            for stream, text in (("out", out), ("err", err)):
                (self.folder / f"{name}-{number}.{stream}").write_text(text)
            files = f"cat '{self.folder}/{name}-{number}.out'; cat '{self.folder}/{name}-{number}.err' >&2"
            lines.append(f'*"{word}"*) {files}; exit {code} ;;')
        lines += ["esac", 'echo "nobody expected: $*" >&2', "exit 1"]
        file = self.folder / name
        file.write_text("\n".join(lines) + "\n")
        file.chmod(0o755)

    def asked(self, name: str) -> list[str]:
        """The words of every run."""
        return (self.folder / f"{name}.log").read_text().splitlines()


def sync(*proxies: str, state: str = "SYNCED", sent: str = "") -> str:
    kind = "type.googleapis.com/envoy.config.listener.v3.Listener"
    return json.dumps(
        {
            "resources": [
                {
                    "node": {"id": proxy, "metadata": {"ISTIO_VERSION": "1.31.0"}},
                    "genericXdsConfigs": [{"typeUrl": kind, "configStatus": state, "lastUpdated": sent}],
                }
                for proxy in proxies
            ]
        }
    )


ANALYZERS = "* gateway.SecretAnalyzer:\n    Checks\n* schema.ValidationAnalyzer.Gateway:\n    Runs\n"
CLUSTERZ = {
    "istiod-1-31-a": [
        {"id": "own", "secretName": ""},
        *({"id": name, "secretName": "x", "syncStatus": "synced"} for name in NAMES),
    ]
}
WELL: Mapping[str, tuple[str, str, int]] = {
    "list-analyzers": (ANALYZERS, "", 0),
    "gateway.SecretAnalyzer": ("", "it reads Secrets", 1),
    "analyze": ("[]\n", "No validation issues found", 0),
    "proxy-status": (sync(*PROXIES), "", 0),
    "clusterz": (json.dumps(CLUSTERZ), "", 0),
}


TURNED_AWAY = (
    'Error: timeout waiting for Envoy proxy to become ready. Last error: Get "http://203.0.113.2:15443": '
    "read tcp 10.1.0.18:39718->203.0.113.2:15443: read: connection reset by peer\n"
    "command terminated with exit code 255\n"
)
"""What a gateway between networks answers to a request that is none of the mesh."""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Both well."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin:/bin")
    found = Tools(folder)
    found.says("istioctl", WELL)
    found.says("kubectl", {"pilot-agent wait": ("", TURNED_AWAY, 255)})
    return found


QUICK = Options(window=0.1, handshakes=False)


def looked(folder: Path, *clusters: Cluster, options: Options = QUICK, asked: set[Right] | None = None) -> Snapshot:
    with serving(folder, *clusters) as kubeconfig:
        return gather(outputs(), Thresholds(), Access(str(kubeconfig)), options, asked)


def found(snapshot: Snapshot) -> list[str]:
    return [f"{finding.id} {finding.region}" for finding in examine(snapshot)]


def test_a_healthy_mesh_is_seen_whole(tmp_path: Path, tools: Tools) -> None:
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2"))
    assert examine(snapshot) == []
    use1 = snapshot.regions["use1"]
    assert isinstance(use1, Region)
    assert [proxy.key for proxy in use1.proxies] == [
        "istio-eastwestgateway-a.istio-system",
        "istio-ingress-a.istio-ingress",
        "web-1.exam",
        "api-1.exam",
    ]
    assert {proxy.kind for proxy in use1.proxies if proxy.namespace != "exam"} == {"gateway"}
    assert all(proxy.metrics is not None and proxy.metrics.clusters == 58 for proxy in use1.proxies)
    assert snapshot.sync["use1"] == {
        proxy: Sync("1.31.0", {"listeners": "SYNCED"}, {"listeners": ""}) for proxy in PROXIES
    }
    assert snapshot.ways[("use1", "usw2")] == Way("203.0.113.2:15443")


def test_no_right_is_used_that_the_page_does_not_list(tmp_path: Path, tools: Tools) -> None:
    asked: set[Right] = set()
    looked(tmp_path, cluster("use1"), cluster("usw2"), asked=asked)
    granted = {
        Right(group, resource, verb)
        for rule in roles()["ClusterRole"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    missing = {right for right in asked if right not in granted and Right(right.group, "*", right.verb) not in granted}
    assert missing == set()
    assert Right("", "pods/proxy", "get") in asked, "else nothing was looked at"


def test_a_region_that_does_not_answer_stops_no_other(tmp_path: Path, tools: Tools) -> None:
    with serving(tmp_path, cluster("use1"), cluster("usw2")) as kubeconfig:
        text = kubeconfig.read_text()
        lost = text.rindex("http://127.0.0.1:")
        kubeconfig.write_text(text[:lost] + "http://127.0.0.1:9" + text[text.index("\n", lost) :])
        snapshot = gather(outputs(), Thresholds(), Access(str(kubeconfig)), QUICK)
    assert isinstance(snapshot.regions["usw2"], Silent)
    assert snapshot.regions["usw2"].cause == "does not answer (Connection refused)"
    assert found(snapshot) == ["region-silent usw2"]
    (analysed,) = [line for line in tools.asked("istioctl") if " analyze -A " in line]
    # Without any it would read the remote secrets, and wait for the region that is silent.
    assert analysed.endswith("--remote-contexts use1")


def test_a_message_is_of_the_regions_that_have_its_object(tmp_path: Path, tools: Tools) -> None:
    said = {
        f"VirtualService exam/{name}": {"code": "IST0101", "level": "Error", "message": "Referenced host not found"}
        for name in ("web", "lost")
    }
    text = json.dumps([{**message, "origin": origin} for origin, message in said.items()])
    tools.says("istioctl", {**WELL, "analyze": (text, "", 0)})
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2", routes=("web", "lost")))
    assert {
        name: [m.origin for m in said] for name, said in snapshot.analysis.items() if not isinstance(said, Unseen)
    } == {
        "use1": ["VirtualService exam/web"],
        "usw2": ["VirtualService exam/web", "VirtualService exam/lost"],
    }


def test_a_message_stays_where_the_objects_may_not_be_listed(tmp_path: Path, tools: Tools) -> None:
    message = {"code": "IST0133", "level": "Warning", "message": "m", "origin": "EnvoyFilter exam/lost"}
    tools.says("istioctl", {**WELL, "analyze": (json.dumps([message]), "", 0)})
    snapshot = looked(tmp_path, cluster("use1", forbidden=frozenset({"envoyfilters"})), cluster("usw2"))
    assert [len(said) for said in snapshot.analysis.values() if not isinstance(said, Unseen)] == [1, 0]


def test_a_context_that_is_not_there_is_named(tmp_path: Path, tools: Tools) -> None:
    with serving(tmp_path, cluster("use1")) as kubeconfig:
        snapshot = gather(outputs(), Thresholds(), Access(str(kubeconfig)), QUICK)
    (finding,) = examine(snapshot)
    assert finding.id == "region-silent"
    assert finding.cause == f"The API server of usw2 cannot be asked: {kubeconfig} has no context `usw2`"
    assert finding.cure == "Name one of those it has: `use1`"


def test_missing_rights_are_a_finding_of_their_own(tmp_path: Path, tools: Tools) -> None:
    snapshot = looked(tmp_path, cluster("use1", forbidden=frozenset({"/nodes"})), cluster("usw2"))
    (finding,) = examine(snapshot)
    assert finding.cause == "The API server of use1 forbids the credentials /api/v1/nodes (403)"
    assert finding.cure == "Give the credentials the rights of docs/doctor.md"


def test_an_istiod_that_hangs_costs_its_time_out_once(tmp_path: Path, tools: Tools) -> None:
    begun = time.monotonic()
    snapshot = looked(tmp_path, cluster("use1", mute=frozenset({":15014/"})), cluster("usw2"))
    assert found(snapshot) == ["istiod-silent use1"]
    assert snapshot.sync["use1"] == Unseen("no istiod answers", "Mend istiod first")
    assert time.monotonic() - begun < 4.5, "two looks more would have taken their time-outs too"


def test_one_of_two_istiods_that_hangs_keeps_nobody(tmp_path: Path, tools: Tools) -> None:
    """istioctl would ask it too, and wait for as long as it may."""
    two = ("istiod-1-31-a", "istiod-1-31-b")
    use1 = cluster("use1", mute=frozenset({"istiod-1-31-b:15014/"}), istiods=two)
    snapshot = looked(tmp_path, use1, cluster("usw2", istiods=two))
    assert found(snapshot) == ["istiod-silent use1", "sync-unseen use1"]
    unseen = examine(snapshot)[1]
    assert unseen.cause.endswith("istioctl asks every istiod, and istiod-1-31-b is not ready or silent")
    assert unseen.cure == "Mend that one first"
    assert not any("use1" in line and "proxy-status" in line for line in tools.asked("istioctl"))


def test_a_clock_that_is_ahead_is_told_by_what_its_pods_answer(tmp_path: Path, tools: Tools) -> None:
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2", skew=90))
    skewed = [finding for finding in examine(snapshot) if finding.id == "clock-skew"]
    assert len(examine(snapshot)) == len(skewed) == 2, "the node's clock, and the API server's"
    assert {finding.region for finding in skewed} == {"usw2"}, "the one that this machine differs from"


def test_refusals_in_istiods_log_are_read(tmp_path: Path, tools: Tools) -> None:
    line = 'error "Failed to watch" err="failed to list *v1.Node: Unauthorized"'
    snapshot = looked(tmp_path, cluster("use1", log=f"info fine\n{line}\n"), cluster("usw2"))
    assert found(snapshot) == ["remote-refused use1"]
    # A watch that Istio leaves behind asks on with a token that nothing else uses.
    left = "error watch error in cluster usw2: failed to list *v1.ConfigMap: Unauthorized"
    snapshot = looked(tmp_path, cluster("use1", log=f"{left}\n"), cluster("usw2"))
    assert found(snapshot) == []


def test_what_istioctl_may_not_do_is_unseen_and_the_rest_is_examined(tmp_path: Path, tools: Tools) -> None:
    forbidden = "pods is forbidden: User cannot create resource pods/portforward"
    tools.says("istioctl", {**WELL, "proxy-status": ("", forbidden, 1)})
    tools.says("kubectl", {"exec": ("", forbidden, 1)})
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2"))
    assert sorted(found(snapshot)) == ["sync-unseen use1", "sync-unseen usw2", "way-unseen use1", "way-unseen usw2"]
    (first, *_) = examine(snapshot)
    assert first.cure == "Give them the rights of docs/doctor.md"


def test_without_tools_and_handshakes_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    snapshot = looked(
        tmp_path, cluster("use1"), cluster("usw2"), options=Options(window=0.1, tools=False, handshakes=False)
    )
    assert examine(snapshot) == []
    assert (snapshot.analysis, snapshot.sync, snapshot.ways, snapshot.east_west) == ({}, {}, {}, {})


def test_a_missing_istioctl_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2"))
    causes = {finding.cause for finding in examine(snapshot)}
    assert "Istio's own analysis was not seen: there is no `istioctl` on PATH" in causes


def test_a_way_that_is_closed_says_why(tmp_path: Path, tools: Tools) -> None:
    error = (
        'Error: timeout waiting for Envoy proxy to become ready. Last error: Get "http://203.0.113.2:15443": '
        "dial tcp 203.0.113.2:15443: connect: connection refused\ncommand terminated with exit code 255\n"
    )
    tools.says("kubectl", {"exec": ("", error, 255)})
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2"))
    assert snapshot.ways[("use1", "usw2")] == Way(
        "203.0.113.2:15443", "dial tcp 203.0.113.2:15443: connect: connection refused"
    )
    assert found(snapshot) == ["way-closed use1", "way-closed usw2"]


def test_one_that_is_stale_once_is_asked_again(tmp_path: Path, tools: Tools) -> None:
    """A push is under way at any time in a mesh that changes."""
    tools.says("istioctl", {**WELL, "proxy-status": (sync(*PROXIES, state="STALE"), "", 0)})
    begun = time.monotonic()
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2"))
    assert found(snapshot) == [f"proxy-stale {name}" for name in NAMES for _ in PROXIES]
    assert time.monotonic() - begun > 1


def test_every_istiod_says_what_it_knows_in_a_document_of_its_own(tmp_path: Path, tools: Tools) -> None:
    """As where istiod has several pods, or one is being replaced."""
    web, *others = PROXIES
    former, latter = "2027-03-01T11:59:00Z", "2027-03-01T12:00:00Z"
    moved = sync(web, state="STALE", sent=former), sync(web, *others, sent=latter)
    line = '2027-03-01T12:00:00Z\twarn\tgrpc\tnot connected to {Addr: "127.0.0.1:1"}'
    for first, second in (moved, moved[::-1]):
        tools.says("istioctl", {**WELL, "proxy-status": (f"{line}\n{first}\n{line}\n{second}\n{line}\n", "", 0)})
        snapshot = looked(tmp_path, cluster("use1"), cluster("usw2"))
        assert examine(snapshot) == []
        said = snapshot.sync["use1"]
        assert not isinstance(said, Unseen)
        assert list(said[web].sent.values()) == [latter], "the istiod that the proxy hangs on now"
        assert set(said) == set(PROXIES)


@pytest.mark.parametrize(
    ("word", "name", "finding"),
    [("proxy-status", "istioctl proxy-status", "sync-unseen"), ("analyze", "istioctl analyze", "analysis-unseen")],
)
def test_what_cannot_be_read_ends_no_look(word: str, name: str, finding: str, tmp_path: Path, tools: Tools) -> None:
    """Another istioctl prints other things."""
    tools.says("istioctl", {**WELL, word: ('{"resources": [{"node": []}]}', "", 0)})
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2"))
    assert found(snapshot) == [f"{finding} use1", f"{finding} usw2"]
    (first, _) = examine(snapshot)
    assert f"what `{name}` printed could not be read (" in first.cause


@pytest.mark.parametrize("word", ["proxy-status", "clusterz", "analyze"])
def test_where_nothing_is_printed_nothing_was_seen(word: str, tmp_path: Path, tools: Tools) -> None:
    tools.says("istioctl", {**WELL, word: ("NAME   STATUS\nanother kind of table\n", "", 0)})
    snapshot = looked(tmp_path, cluster("use1"), cluster("usw2"))
    said = {"proxy-status": snapshot.sync, "clusterz": snapshot.remotes, "analyze": snapshot.analysis}[word]["use1"]
    assert isinstance(said, Unseen)
    assert said.cause.endswith("printed could not be read (ValueError: there is no JSON in it)")
    assert "remote-missing use1" not in found(snapshot)


def test_what_is_being_pushed_is_not_stale() -> None:
    def said(state: str, sent: str) -> dict[str, Sync]:
        return {"web-1.exam": Sync("1.31.0", {"routes": state, "listeners": "ERROR"}, {"routes": sent})}

    def after(first: dict[str, Sync], second: dict[str, Sync]) -> str:
        return still(first, second)["web-1.exam"].states["routes"]

    assert after(said("STALE", "12:00:01"), said("STALE", "12:00:01")) == "STALE"
    assert after(said("STALE", "12:00:01"), said("STALE", "12:00:02")) == "SYNCED", "it took the former meanwhile"
    assert after(said("SYNCED", "12:00:01"), said("STALE", "12:00:02")) == "SYNCED"
    assert after({}, said("STALE", "12:00:02")) == "SYNCED"
    assert still({}, said("STALE", ""))["web-1.exam"].states["listeners"] == "ERROR"


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/version", None),
        ("/api/v1/pods?resourceVersion=0", Right("", "pods", "list")),
        ("/api/v1/namespaces", Right("", "namespaces", "list")),
        ("/api/v1/namespaces/kube-system", Right("", "namespaces", "get")),
        ("/api/v1/namespaces/istio-system/configmaps?fieldSelector=x", Right("", "configmaps", "list")),
        ("/api/v1/namespaces/exam/pods/web-1/log?tailLines=5", Right("", "pods/log", "get")),
        ("/api/v1/namespaces/exam/pods/web-1:15020/proxy/stats/prometheus", Right("", "pods/proxy", "get")),
        ("/apis/networking.istio.io/v1/sidecars", Right("networking.istio.io", "sidecars", "list")),
    ],
)
def test_what_a_question_needs(path: str, right: Right | None) -> None:
    assert right_of(path) == right


def test_a_clock_is_told_to_the_second() -> None:
    now = datetime(2027, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    later = now + timedelta(milliseconds=200)
    assert offset("Mon, 01 Mar 2027 12:00:00 GMT", now, later) == 0.0
    assert offset("Mon, 01 Mar 2027 12:01:00 GMT", now, later) == pytest.approx(59.3)
    assert offset("Mon, 01 Mar 2027 11:59:00 GMT", now, later) == pytest.approx(-59.5)
    assert offset(None, now, later) is None
    assert offset("yesterday", now, later) is None


def test_one_object_seen_twice_is_in_nobodys_way(tmp_path: Path, tools: Tools) -> None:
    """istioctl is given a cluster beside itself, where it should go to no other."""
    said = 'The Sidecars [{}] in namespace "exam" select the same workload pod "api-1"'
    entries = [
        {"code": "IST0110", "level": "Error", "origin": "Namespace exam", "message": said.format(names)}
        for names in ("a.scope a.scope", "a.scope b.scope")
    ]
    tools.says("istioctl", {**WELL, "analyze": (json.dumps(entries), "", 0)})
    snapshot = looked(tmp_path, cluster("use1"))
    analysis = snapshot.analysis["use1"]
    assert not isinstance(analysis, Unseen)
    assert [message.text for message in analysis] == [entries[1]["message"]]
