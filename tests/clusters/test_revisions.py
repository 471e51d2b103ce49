"""When an istiod may come or go: what is said of each change that would cut somebody off."""

from collections.abc import Sequence
from typing import Any

import pytest

from components.clusters.revisions import jump, leaving, still_used

GUIDE = "see docs/upgrade-istio.md"


def pod(name: str, revision: str | None = "1-30", *, proxy: bool = True, phase: str = "Running", **more: Any) -> Any:
    namespace, _, own = name.partition("/")
    annotations = {} if revision is None else {"istio.io/rev": revision}
    containers = [{"name": "app"}, *([{"name": "istio-proxy"}] if proxy else [])]
    return {
        "metadata": {"namespace": namespace, "name": own, "annotations": annotations, **more},
        "spec": {"containers": containers},
        "status": {"phase": phase},
    }


def namespace(name: str, **labels: str) -> Any:
    return {"metadata": {"name": name, "labels": {key.replace("__", "/"): value for key, value in labels.items()}}}


def asking(name: str, revision: str, **more: str) -> Any:
    return {"metadata": {"name": name, "labels": {"istio.io/rev": revision, **more}}}


class Cluster:
    """An API server that gives one object a page."""

    def __init__(self, pods: Sequence[Any] = (), namespaces: Sequence[Any] = ()) -> None:
        self.lists = {"/api/v1/pods": list(pods), "/api/v1/namespaces": list(namespaces)}
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        place, _, query = path.partition("?")
        number = int(query.rpartition("continue=")[2]) if "continue=" in query else 0
        found = self.lists[place]
        more = {"continue": str(number + 1)} if number + 1 < len(found) else {}
        return {"metadata": more, "items": found[number : number + 1]}


def said(cluster: Cluster, before: Sequence[str] = ("1.30.4", "1.31.0"), wanted: Sequence[str] = ("1.31.0",)) -> Any:
    return still_used("use1", cluster, before, wanted, ["exam"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ([], ["1.31.0"]),
        (["1.31.0"], ["1.31.4"]),
        (["1.30.4"], ["1.30.4", "1.31.0"]),
        (["1.30.4", "1.31.0"], ["1.31.0"]),
        (["1.30.4", "1.31.0"], ["1.30.4"]),
        (["1.31.0"], ["1.31.0", "1.30.4"]),
    ],
)
def test_one_istiod_stays(before: list[str], wanted: list[str]) -> None:
    assert jump("use1", before, wanted) is None


@pytest.mark.parametrize(("before", "wanted"), [("1.30.4", "1.31.0"), ("1.31.0", "1.30.4"), ("1.3.0", "1.31.0")])
def test_another_minor_in_the_place_of_the_only_one_is_refused(before: str, wanted: str) -> None:
    assert jump("use1", [before], [wanted]) == (
        f"istio-mesh:mesh.upgrade: cluster `use1` has Istio {before}, and the stack says {wanted}, another minor, in "
        "its place. All of its proxies would be cut off at once. Write "
        f"`version: {before}` and `upgrade: {{version: {wanted}}}`, which puts a second istiod beside the first, and "
        f"move to it step by step: {GUIDE}."
    )


def test_both_of_two_are_not_replaced_at_once() -> None:
    reason = jump("use1", ["1.29.1", "1.30.4"], ["1.31.0"])
    assert reason is not None
    assert reason.startswith(
        "istio-mesh:mesh.upgrade: cluster `use1` has Istio 1.29.1 and 1.30.4, and the stack says 1.31.0, another minor"
    )


def test_a_patch_leaves_nothing_behind() -> None:
    assert leaving(["1.30.4", "1.31.0"], ["1.31.7"]) == ["1-30"]
    assert leaving(["1.31.0"], ["1.31.7"]) == leaving(["1.31.0"], ["1.31.0", "1.30.4"]) == []


@pytest.mark.parametrize(
    ("pods", "named"),
    [
        (["shop/b"], "1 proxy: shop/b"),
        (["shop/b", "exam/a"], "2 proxies: exam/a, shop/b"),
        ([f"shop/{n}" for n in range(7)], "7 proxies: shop/0, shop/1, shop/2, shop/3, shop/4 and 2 more"),
    ],
)
def test_a_revision_with_proxies_does_not_go(pods: list[str], named: str) -> None:
    first = sorted(pods)[0].partition("/")[0]
    assert said(Cluster([pod(name) for name in pods])) == (
        f"istio-mesh:mesh.upgrade: revision `1-30` of cluster `use1` still has {named}. Without its istiod they hear "
        "of no change any more, and lose their certificates when those end. Move their namespaces and gateways away "
        f"from it; where that is done, make the pods anew (`kubectl rollout restart deployment -n {first}`), and run "
        f"again: {GUIDE}."
    )


def test_a_label_of_somebody_else_that_wins_is_told_with_its_command() -> None:
    both = asking("exam", "next", **{"istio-injection": "enabled"})
    others = [asking("shop", "next"), asking("idle", "next", **{"istio-injection": "enabled"})]
    reason = said(Cluster([pod("exam/a"), pod("shop/b")], [both, *others]))
    assert reason.endswith(
        f"{GUIDE}. Somebody else has set `istio-injection` on exam, which wins over `istio.io/rev`: take it away first "
        "(`kubectl label namespace exam istio-injection-`)."
    )


def test_back_is_as_safe_as_forward() -> None:
    reason = said(Cluster([pod("exam/a", "1-31")]), wanted=["1.30.4"])
    assert "revision `1-31` of cluster `use1` still has 1 proxy: exam/a." in reason


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(pod("exam/a", "1-31"), id="of the other revision"),
        pytest.param(pod("exam/a", None), id="of none"),
        pytest.param(pod("exam/a", proxy=False), id="without a proxy: istiod's own label says its revision too"),
        pytest.param(pod("exam/a", phase="Succeeded"), id="a job that has ended"),
        pytest.param(pod("exam/a", deletionTimestamp="2026-11-24T00:00:00Z"), id="on its way out"),
    ],
)
def test_nobody_else_is_in_the_way(there: Any) -> None:
    assert said(Cluster([there], [namespace("exam")])) is None


def test_a_sidecar_that_is_a_native_one_counts() -> None:
    native = pod("exam/a", proxy=False)
    native["spec"]["initContainers"] = [{"name": "istio-proxy"}]
    assert "exam/a" in said(Cluster([native]))


@pytest.mark.parametrize(
    ("namespaces", "named"),
    [
        ([asking("shop", "1-30")], "1 namespace asks for an istiod of cluster `use1` that would be gone: shop "
         "(`istio.io/rev: 1-30`)"),
        (
            [asking("shop", "next"), asking("bank", "1-30")],
            "2 namespaces ask for an istiod of cluster `use1` that would be gone: bank (`istio.io/rev: 1-30`), shop "
            "(`istio.io/rev: next`)",
        ),
    ],
)  # fmt: skip
def test_a_tag_without_an_istiod_is_refused(namespaces: list[Any], named: str) -> None:
    assert said(Cluster([], namespaces)) == (
        f"istio-mesh:mesh.upgrade: {named}. New pods there would start without a proxy, and nobody in the mesh takes "
        f"their requests. Label them `istio.io/rev: default`, and run again: {GUIDE}."
    )


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(asking("shop", "default"), id="by the tag that stays"),
        pytest.param(asking("shop", "1-31"), id="by the revision that stays"),
        pytest.param(asking("exam", "next"), id="one of the stack's own, which it labels in the same run"),
        pytest.param(asking("shop", "next", **{"istio-injection": "enabled"}), id="istio-injection wins"),
        pytest.param(namespace("shop", **{"istio-injection": "enabled"}), id="by default"),
    ],
)
def test_other_namespaces_are_not(there: Any) -> None:
    assert said(Cluster([], [there])) is None


def test_the_tag_next_stays_while_there_are_two() -> None:
    """As where 1.29 goes and 1.31 comes."""
    cluster = Cluster([], [asking("shop", "next")])
    assert said(cluster, ("1.29.1", "1.30.4"), ("1.30.4", "1.31.0")) is None


def test_nothing_is_read_where_nothing_goes() -> None:
    cluster = Cluster()
    assert said(cluster, ("1.30.4",), ("1.30.4", "1.31.0")) is None
    assert cluster.asked == []


def test_all_pages_are_read() -> None:
    cluster = Cluster([pod("exam/a", "1-31"), pod("exam/b", "1-31"), pod("exam/c")])
    assert "still has 1 proxy: exam/c" in said(cluster)
    assert [path.partition("?")[2] for path in cluster.asked if path.startswith("/api/v1/pods")] == [
        "limit=500", "limit=500&continue=1", "limit=500&continue=2"]  # fmt: skip
