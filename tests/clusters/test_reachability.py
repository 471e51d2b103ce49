"""What the check says of a cluster, and what the engine keeps of it."""

import base64
import pickletools
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from components.clusters import reachability
from components.clusters.api import Identity, Silent, Unreachable
from components.clusters.cluster import Access
from components.clusters.reachability import Reachability, _ReachabilityProvider  # pyright: ignore[reportPrivateUsage]
from tests import mocks
from tests.builders import write_kubeconfig


@pytest.fixture
def properties(tmp_path: Path) -> dict[str, Any]:
    path = write_kubeconfig(tmp_path, "use1")
    return {
        "cluster": "use1",
        "kubeconfig": str(path),
        "context": "use1",
        "istio_version": "1.31.0",
    }


def answering(
    monkeypatch: pytest.MonkeyPatch, answer: Identity | Unreachable, namespaces: tuple[str, ...] = ()
) -> None:
    """`namespaces` are there beside Kubernetes' own."""

    def identify(*_: object) -> Identity:
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    def has_namespace(*asked: object) -> bool:
        return asked[-1] in namespaces

    monkeypatch.setattr(reachability, "identify", identify)
    monkeypatch.setattr(reachability, "has_namespace", has_namespace)


def reasons(properties: dict[str, Any], olds: dict[str, Any] | None = None) -> list[str]:
    return [failure.reason for failure in _ReachabilityProvider().check(olds or {}, properties).failures]


def test_what_the_cluster_says_becomes_an_input(monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]) -> None:
    """A change of it is then a change of the resource, which a preview shows."""
    answering(monkeypatch, Identity("v1.35.4", "uid-1"))
    result = _ReachabilityProvider().check({}, properties)
    assert result.inputs == {**properties, "uid": "uid-1", "kubernetes_version": "v1.35.4"}
    assert result.failures == []


def test_a_cluster_that_does_not_answer_is_told_with_its_file(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    answering(monkeypatch, Unreachable("does not answer within 5 s", "Start the cluster"))
    assert reasons(properties) == [
        f"cluster `use1` (context `use1` of {properties['kubeconfig']}): the API server at https://192.0.2.1:6443 does "
        "not answer within 5 s. Nothing can be read from or made in it. Start the cluster, and run again."
    ]


SILENT = Silent("does not answer within 5 s", "Start the cluster")


def test_a_region_that_is_lost_is_named_with_the_way_to_go_on(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    """Only where the stack is in it already: nothing could be left as it is elsewhere."""
    answering(monkeypatch, SILENT)
    (reason,) = reasons(properties, {**properties, "uid": "uid-1"})
    assert reason.endswith(
        " Nothing can be read from or made in it. Start the cluster, and run again. If the region is lost, write "
        "`lost: true` into its entry in `istio-mesh:clusters`: all others are then changed, and it stays as it is: see "
        "docs/lose-a-region.md."
    )
    (reason,) = reasons(properties)
    assert reason.endswith("Start the cluster, and run again.")


def test_a_lost_region_is_told_of_and_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    """Not even an upgrade is taken for made there."""
    answering(monkeypatch, SILENT)
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    olds = {**properties, "uid": "uid-1", "kubernetes_version": "v1.35.4", "istio_versions": ["1.31.0"]}
    news = {**properties, "lost": True, "kubernetes_version": None, "istio_versions": ["1.31.0", "1.30.4"]}
    result = _ReachabilityProvider().check(olds, news)
    assert result.failures == []
    assert result.inputs == {**olds, "lost": True}
    assert warned == [
        f"cluster `use1` (context `use1` of {properties['kubeconfig']}): the API server at https://192.0.2.1:6443 does "
        "not answer within 5 s. Nothing can be read from or made in it. Start the cluster, and run again. It is lost, "
        "as the stack says: what is in it stays as it is, and is not waited for. Once it is back, take `lost` out of "
        "its entry in `istio-mesh:clusters`."
    ]


@pytest.mark.parametrize(
    ("answer", "olds"),
    [
        pytest.param(SILENT, {}, id="one that never was there"),
        pytest.param(
            Unreachable("refuses the credentials (401)", "Renew them"), {"uid": "uid-1"}, id="one that answers"
        ),
        pytest.param(Identity("v1.35.4", "uid-2"), {"uid": "uid-1"}, id="another one under its name"),
    ],
)
def test_nothing_else_passes_for_lost(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any], answer: Identity | Unreachable, olds: dict[str, Any]
) -> None:
    answering(monkeypatch, answer)
    monkeypatch.setattr(pulumi.log, "warn", lambda *_: None)
    assert len(reasons({**properties, "lost": True}, {**properties, **olds} if olds else {})) == 1


def test_a_lost_region_that_answers_is_left_too_and_told_of(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    """One that comes and goes is not changed half."""
    answering(monkeypatch, Identity("v1.35.4", "uid-1"))
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    olds = {**properties, "uid": "uid-1", "kubernetes_version": "v1.34.1", "istio_versions": ["1.31.0"]}
    result = _ReachabilityProvider().check(olds, {**properties, "lost": True, "istio_versions": ["1.31.0", "1.30.4"]})
    assert result.failures == []
    assert result.inputs == {**olds, "lost": True}
    assert warned == [
        "cluster `use1` answers. It is lost, as the stack says: what is in it stays as it is, and is not waited for. "
        "Once it is back, take `lost` out of its entry in `istio-mesh:clusters`."
    ]


def test_a_kubeconfig_that_is_gone_is_told(properties: dict[str, Any]) -> None:
    assert reasons({**properties, "kubeconfig": "gone"}) == [
        "cluster `use1` cannot be reached: there is no file gone. Mend the path. Paths are relative to Pulumi.yaml."
    ]


def test_another_cluster_behind_the_same_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    answering(monkeypatch, Identity("v1.35.4", "uid-2"))
    assert reasons(properties, {**properties, "uid": "uid-1"}) == [
        f"cluster `use1`: {properties['kubeconfig']} leads to another cluster than before (its kube-system was uid-1 "
        "and is uid-2). Everything would be looked for in the wrong place. Name the former cluster; if it was rebuilt, "
        "run `pulumi refresh`, which forgets what was in it, and run again."
    ]


def test_the_same_cluster_at_another_address_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    answering(monkeypatch, Identity("v1.35.4", "uid-1"))
    assert reasons(properties, {**properties, "context": "former", "uid": "uid-1"}) == []


@pytest.mark.parametrize("name", ["istio-system", "istio-ingress"])
def test_a_namespace_that_is_not_this_stacks_is_not_taken_over(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any], name: str
) -> None:
    """Whoever made it: a second stack's `destroy` would delete the first one's mesh."""
    answering(monkeypatch, Identity("v1.35.4", "uid-1"), namespaces=(name,))
    assert reasons(properties) == [
        f"cluster `use1` has a namespace {name} that is not this stack's. What is in it would be taken over, and "
        "`pulumi destroy` would delete it. If another stack made it, name another cluster or destroy that stack first; "
        "if this stack did, under a former name of the cluster, write that name again; if it is of another "
        f"installation, take that out (`istioctl uninstall --purge`, `kubectl delete namespace {name}`)."
    ]


def test_this_stacks_own_mesh_is_found_again(monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]) -> None:
    """As after a first `up` that was cut off: the check is made, and kept, before the namespaces."""
    answering(monkeypatch, Identity("v1.35.4", "uid-1"), namespaces=("istio-system", "istio-ingress"))
    assert reasons(properties, {**properties, "uid": "uid-1"}) == []


def test_another_minor_of_istio_in_its_place_is_refused(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    """Also where the state is of before there could be two."""
    answering(monkeypatch, Identity("v1.35.4", "uid-1"))
    olds = {**properties, "uid": "uid-1", "istio_version": "1.30.2"}
    (reason,) = reasons({**properties, "istio_versions": ["1.31.0"]}, olds)
    assert reason.startswith("istio-mesh:mesh.upgrade: cluster `use1` has Istio 1.30.2, and the stack says 1.31.0, ")


def test_a_revision_goes_when_nothing_is_its_own(monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]) -> None:
    answering(monkeypatch, Identity("v1.35.4", "uid-1"))
    asked: list[tuple[Any, ...]] = []

    def still_used(*said: Any) -> str | None:
        asked.append((said[0], *said[2:]))
        return answer

    monkeypatch.setattr(reachability, "connect", lambda *_: "the connection")
    monkeypatch.setattr(reachability.revisions, "still_used", still_used)
    news = {**properties, "istio_version": "1.31.0", "istio_versions": ["1.31.0"], "namespaces": ["exam"]}
    olds = {**properties, "uid": "uid-1", "istio_version": "1.30.4", "istio_versions": ["1.30.4", "1.31.0"]}
    answer: str | None = "it is in use"
    assert reasons(news, olds) == ["it is in use"]
    answer = None
    assert reasons(news, olds) == []
    assert asked == [("use1", ["1.30.4", "1.31.0"], ["1.31.0"], ["exam"])] * 2
    assert reasons(olds, news) == []
    assert len(asked) == 2, "who comes is in nobody's way, and no pod is read"


def test_every_istiod_of_a_cluster_has_to_take_its_kubernetes(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    answering(monkeypatch, Identity("v1.36.1", "uid-1"))
    (reason,) = reasons({**properties, "istio_version": "1.30.4", "istio_versions": ["1.30.4", "1.29.1"]})
    assert reason.startswith("cluster `use1` runs Kubernetes v1.36.1, and Istio 1.29.1 takes 1.31 to 1.35. ")


def test_another_patch_of_istio_is_taken(monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]) -> None:
    answering(monkeypatch, Identity("v1.35.4", "uid-1"))
    assert reasons({**properties, "istio_version": "1.31.10"}, {**properties, "uid": "uid-1"}) == []


@pytest.mark.parametrize("version", ["v1.31.9", "v1.37.0"])
def test_a_kubernetes_outside_of_the_table_is_refused(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any], version: str
) -> None:
    answering(monkeypatch, Identity(version, "uid-1"))
    minor = version[1:5]
    assert reasons(properties) == [
        f"cluster `use1` runs Kubernetes {version}, and Istio 1.31.0 takes 1.32 to 1.36. It was never tested together, "
        "and istiod may not start. Take a Kubernetes of that range, or an Istio whose range has "
        f"{minor}: `istio-mesh:mesh.version`."
    ]


def test_a_refresh_takes_over_the_identity_of_a_rebuilt_cluster(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    answering(monkeypatch, Identity("v1.36.0", "uid-2"))
    state = {**properties, "uid": "uid-1", "kubernetes_version": "v1.35.4", "__provider": "pickle"}
    read = _ReachabilityProvider().read("uid-1", state)
    assert read.outs == {**state, "uid": "uid-2", "kubernetes_version": "v1.36.0"}
    assert read.inputs == {**properties, "uid": "uid-2", "kubernetes_version": "v1.36.0"}


def test_a_refresh_keeps_what_was_known_of_a_lost_region(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    """Else nothing of the others could be refreshed, nor be forgotten what was in it."""
    answering(monkeypatch, SILENT)
    state = {**properties, "uid": "uid-1", "kubernetes_version": "v1.35.4", "lost": True}
    assert _ReachabilityProvider().read("uid-1", state).outs == state
    answering(monkeypatch, Unreachable("refuses the credentials (401)", "Renew them"))
    with pytest.raises(RuntimeError, match="401"):
        _ReachabilityProvider().read("uid-1", state)


def test_a_refresh_of_a_cluster_that_is_down_fails_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    answering(monkeypatch, Unreachable("does not answer (connection refused)", "Start the cluster"))
    with pytest.raises(RuntimeError, match=r"^cluster `use1` \(context .*connection refused.*run again\.$"):
        _ReachabilityProvider().read("uid-1", properties)


def test_a_cluster_that_is_still_to_be_made_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    """As in the first preview of a stack that makes its clusters itself."""

    def nobody(*_: object) -> Identity:
        raise AssertionError("there is nobody to ask")

    monkeypatch.setattr(reachability, "identify", nobody)
    for unknown in (rpc.UNKNOWN, None):
        asked = {**properties, "kubeconfig": unknown}
        assert _ReachabilityProvider().check({}, asked).failures == []


def test_a_cluster_that_has_just_been_made_is_given_time(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    """EKS tells its API servers of rights after it has told us that it has them."""
    answers: list[Identity | Unreachable] = [Unreachable("refuses the credentials (401)", "Renew them")] * 2
    answers.append(Identity("v1.35.4", "uid-1"))
    answering(monkeypatch, Identity("v1.35.4", "uid-1"))

    def identify(*_: object) -> Identity:
        answer = answers.pop(0)
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    monkeypatch.setattr(reachability, "identify", identify)
    monkeypatch.setattr(reachability, "INTERVAL", 0.001)
    made = {**properties, "patience": 5.0, "kubernetes_version": "v1.35"}
    result = _ReachabilityProvider().check({}, made)
    assert result.failures == []
    assert result.inputs["kubernetes_version"] == "v1.35", "as it was asked for: a preview knows it"
    assert answers == []


@pytest.mark.parametrize(
    ("problem", "cure"),
    [
        (
            Silent("does not answer within 5 s", "Start the cluster"),
            "Deploy from where `istio-mesh:aws.deployFrom` says, or mend that: no way leads there from here",
        ),
        (
            Unreachable("refuses the credentials (401)", "Renew the kubeconfig's credentials"),
            "Take the credentials of `istio-mesh:aws.deployFrom.principal`: no one else has all rights in it",
        ),
        (Unreachable("answers 503 to /version", "See its logs"), "See its logs"),
    ],
)
def test_a_runner_in_the_wrong_place_is_told_where_it_has_to_be(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any], problem: Unreachable, cure: str
) -> None:
    answering(monkeypatch, problem)
    (reason,) = reasons({**properties, "patience": 0.0001})
    assert reason.endswith(f"Nothing can be read from or made in it. {cure}, and run again.")


def test_a_cluster_that_was_there_before_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    answering(monkeypatch, Unreachable("does not answer within 5 s", "Start it"))
    monkeypatch.setattr(reachability, "INTERVAL", 3600.0)
    olds = {**properties, "uid": "uid-1"}
    assert len(reasons({**properties, "patience": 5.0}, olds)) == 1
    assert len(reasons(properties)) == 1, "nor has one that others have made any time"


def test_autoscalers_without_figures_are_warned_of(monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]) -> None:
    answering(monkeypatch, Identity("v1.35.4", "uid-1"))
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    for autoscales, metrics, told in ((True, False, 1), (True, True, 0), (False, False, 0)):
        warned.clear()
        monkeypatch.setattr(reachability, "has_metrics", lambda *_, found=metrics: found)
        assert reasons({**properties, "autoscales": autoscales}) == []
        assert len(warned) == told
    monkeypatch.setattr(reachability, "has_metrics", lambda *_: False)
    reasons({**properties, "autoscales": True})
    assert warned == [
        "cluster `use1` has no metrics-server, and the stack has autoscalers: they see no load, and the number of pods "
        "stays at its minimum. Install it, or fix the numbers (`replicas` with equal `min` and `max`)."
    ]


def test_the_state_names_the_provider_and_holds_no_code() -> None:
    """Or each change of the program's code would show as a change of the cluster."""

    def program() -> None:
        Reachability("use1", cluster="use1", access=Access(None, "use1"), istio_versions=["1.31.0"])

    pickled = base64.b64decode(mocks.run(program).named("use1").inputs["__provider"])
    texts = [argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]
    assert texts == ["components.clusters.reachability", "_ReachabilityProvider"]


def test_in_a_preview_before_the_first_up_the_version_is_unknown() -> None:
    def program() -> None:
        made = Reachability("use1", cluster="use1", access=Access(None, "use1"), istio_versions=["1.31.0"])
        pulumi.export("version", made.kubernetes_version)

    assert mocks.run(program, preview=True).unknown_outputs == {"version"}
    assert mocks.run(program).outputs == {"version": "v1.35.4"}
