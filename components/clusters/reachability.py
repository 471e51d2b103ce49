"""The check, in every preview and `up`, that a cluster is there, lets us in, and is the one it was.

Without it a cluster that is down shows as a warning and a failed resource somewhere in its middle, or, where the
kubeconfig names another cluster by now, as a plan to make everything anew there.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, ReadResult, Resource, UpdateResult
from pulumi.runtime import rpc

from components.clusters import revisions
from components.clusters.api import Identity, Silent, Unreachable, connect, has_metrics, has_namespace, identify
from components.clusters.cluster import Access
from components.config.kubeconfig import KubeconfigError, select
from components.config.support import kubernetes_minor, minor_text, support_of
from components.dynamic import Properties, Provider

MESH_NAMESPACES = ("istio-system", "istio-ingress")
"""What this program makes for Istio in each cluster, and others do too."""

PATIENCE = 90.0
"""Seconds that a cluster which the stack has just made has for its first answer: access entries of EKS take a moment
until the API server knows them."""

INTERVAL = 2.0
"""Seconds between two questions to a cluster that has just been made."""

Answer = TypeVar("Answer")

_WITHOUT_IT = (
    "If the region is lost, write `lost: true` into its entry in `istio-mesh:clusters`: all others are then changed, "
    "and it stays as it is: see docs/lose-a-region.md."
)
"""More of a cluster that was there: without a word of the stack nothing of it is passed over."""

_WHOLE = ""
"""A fault of no one property: the engine then names the resource alone."""


class _ReachabilityProvider(Provider):
    def check(self, _olds: Properties, news: Properties) -> CheckResult:
        if not _known(news["kubeconfig"]):
            # The cluster is still to be made: nobody can be asked.
            return CheckResult(news, [])
        try:
            identity = _first_answer(_olds, news)
        except _Refused as refused:
            if refused.silent and news.get("lost") and _olds.get("uid"):
                return CheckResult(_left(_olds, news, refused.sentence), [])
            more = f" {_WITHOUT_IT}" if refused.silent and _olds.get("uid") and not news.get("patience") else ""
            return CheckResult(news, [CheckFailure(_WHOLE, refused.sentence + more)])
        reason = _other_cluster(_olds, news, identity)
        if news.get("lost") and _olds.get("uid") and not reason:
            return CheckResult(_left(_olds, news, f"cluster `{news['cluster']}` answers."), [])
        try:
            reason = reason or _unsupported(news, identity) or _revisions(_olds, news) or _foreign_mesh(_olds, news)
            if not reason:
                _warn_of_metrics(news)
        except _Refused as refused:
            return CheckResult(news, [CheckFailure(_WHOLE, refused.sentence)])
        if reason:
            return CheckResult(news, [CheckFailure(_WHOLE, reason)])
        # The engine leaves nulls out on its way here.
        version = news.get("kubernetes_version") or identity.version
        return CheckResult({**news, "uid": identity.uid, "kubernetes_version": version}, [])

    def create(self, props: Properties) -> CreateResult:
        return CreateResult(props["uid"], dict(props))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: Properties) -> ReadResult:
        """`pulumi refresh` takes over what the cluster says now: of one that was rebuilt, a new identity.

        Of one that is lost it keeps what was known.
        """
        try:
            identity = _ask(props, identify)
            version = props["kubernetes_version"] if props.get("patience") else identity.version
            fresh = {**props, "uid": identity.uid, "kubernetes_version": version}
        except _Refused as refused:
            if not (refused.silent and props.get("lost")):
                raise RuntimeError(refused.sentence) from None
            fresh = dict(props)
        return ReadResult(id_, dict(fresh), {key: value for key, value in fresh.items() if key != "__provider"})


def _known(kubeconfig: object) -> bool:
    """In a preview the kubeconfig of a cluster that is still to be made is unknown: no text, or the engine's mark."""
    return isinstance(kubeconfig, str) and kubeconfig != rpc.UNKNOWN


def _first_answer(olds: Properties, news: Properties) -> Identity:
    """Of a cluster that has just been made the first answers may be refusals: its rights take a while to arrive."""
    ends = time.monotonic() + (0.0 if olds.get("uid") else float(news.get("patience") or 0))
    while True:
        try:
            return _ask(news, identify)
        except _Refused:
            if time.monotonic() >= ends:
                raise
            time.sleep(INTERVAL)


class _Refused(Exception):
    def __init__(self, sentence: str, *, silent: bool = False) -> None:
        """`silent`: whether nothing answers there."""
        super().__init__(sentence)
        self.sentence, self.silent = sentence, silent


def _left(olds: Properties, news: Properties, sentence: str) -> Properties:
    """The inputs of a lost cluster: what is in it is what was, its istiods among it."""
    pulumi.log.warn(
        f"{sentence} It is lost, as the stack says: what is in it stays as it is, and is not waited for. Once it is "
        f"back, take `lost` out of its entry in `istio-mesh:clusters`."
    )
    kept = ("uid", "kubernetes_version", "istio_version", "istio_versions", "namespaces")
    return {**news, **{key: olds[key] for key in kept if key in olds}}


def _ask(props: Properties, question: Callable[[str | None, str | None], Answer]) -> Answer:
    kubeconfig, context, cluster = props["kubeconfig"] or None, props["context"] or None, props["cluster"]
    try:
        selected = select(kubeconfig, context)
    except KubeconfigError as problem:
        raise _Refused(f"cluster `{cluster}` cannot be reached: {problem.what}. {problem.cure}.") from None
    try:
        return question(kubeconfig, context)
    except Unreachable as problem:
        raise _Refused(
            f"cluster `{cluster}` (context `{selected.context}` of {selected.source}): the API server at "
            f"{selected.server} {problem.cause}. Nothing can be read from or made in it. {_cure(problem, props)}, and "
            f"run again.",
            silent=isinstance(problem, Silent),
        ) from None


def _cure(problem: Unreachable, props: Properties) -> str:
    """Of a cluster that the stack makes itself nobody has to mend a kubeconfig."""
    if not props.get("patience"):
        return problem.cure
    if isinstance(problem, Silent):
        return "Deploy from where `istio-mesh:aws.deployFrom` says, or mend that: no way leads there from here"
    if "(401)" in problem.cause or "(403)" in problem.cause:
        return "Take the credentials of `istio-mesh:aws.deployFrom.principal`: no one else has all rights in it"
    return problem.cure


def _other_cluster(olds: Properties, news: Properties, identity: Identity) -> str | None:
    if not olds.get("uid") or olds["uid"] == identity.uid:
        return None
    return (
        f"cluster `{news['cluster']}`: {news['kubeconfig'] or 'the kubeconfig'} leads to another cluster than before "
        f"(its kube-system was {olds['uid']} and is {identity.uid}). Everything would be looked for in the wrong "
        f"place. Name the former cluster; if it was rebuilt, run `pulumi refresh`, which forgets what was in it, and "
        f"run again."
    )


def _warn_of_metrics(news: Properties) -> None:
    if news.get("autoscales") and not _ask(news, has_metrics):
        pulumi.log.warn(
            f"cluster `{news['cluster']}` has no metrics-server, and the stack has autoscalers: they see no load, and "
            f"the number of pods stays at its minimum. Install it, or fix the numbers (`replicas` with equal `min` and "
            f"`max`)."
        )


def _unsupported(news: Properties, identity: Identity) -> str | None:
    minor = kubernetes_minor(identity.version)
    for version in _versions(news):
        support = support_of(version)
        if support is not None and not support.takes(minor):
            return (
                f"cluster `{news['cluster']}` runs Kubernetes {identity.version}, and Istio {version} takes "
                f"{support.kubernetes_range}. It was never tested together, and istiod may not start. Take a "
                f"Kubernetes of that range, or an Istio whose range has {minor_text(minor)}: "
                f"`istio-mesh:mesh.version`."
            )
    return None


def _revisions(olds: Properties, news: Properties) -> str | None:
    """What keeps an istiod from coming or going."""
    before, wanted = _versions(olds), _versions(news)
    reason = revisions.jump(news["cluster"], before, wanted)
    if reason or not revisions.leaving(before, wanted):
        return reason

    def question(kubeconfig: str | None, context: str | None) -> str | None:
        own: list[str] = news.get("namespaces") or []
        return revisions.still_used(news["cluster"], connect(kubeconfig, context), before, wanted, own)

    return _ask(news, question)


def _versions(props: Properties) -> list[str]:
    """Versions of a cluster's istiods; a state of before there were several has one, or none."""
    first = props.get("istio_version")
    return list(props.get("istio_versions") or ([first] if first else []))


def _foreign_mesh(olds: Properties, news: Properties) -> str | None:
    """The provider would take over a namespace that is there already, and `destroy` would delete it.

    This resource is made before the namespaces are: where it has no former state, none of them is this stack's.
    """
    if olds.get("uid"):
        return None
    for name in MESH_NAMESPACES:
        if _ask(news, lambda kubeconfig, context, name=name: has_namespace(kubeconfig, context, name)):
            return (
                f"cluster `{news['cluster']}` has a namespace {name} that is not this stack's. What is in it would be "
                f"taken over, and `pulumi destroy` would delete it. If another stack made it, name another cluster or "
                f"destroy that stack first; if this stack did, under a former name of the cluster, write that name "
                f"again; if it is of another installation, take that out (`istioctl uninstall --purge`, `kubectl "
                f"delete namespace {name}`)."
            )
    return None


class Reachability(Resource, module="istio-mesh", name="Reachability"):
    """A cluster, asked anew in each preview and `up`. Fails in one sentence when it cannot be used."""

    uid: pulumi.Output[str]
    """UID of its namespace kube-system."""

    kubernetes_version: pulumi.Output[str]
    """What its API server says of itself, as in `v1.35.4`."""

    def __init__(
        self,
        name: str,
        *,
        cluster: str,
        access: Access,
        istio_versions: Sequence[str],
        namespaces: Sequence[str] = (),
        made_as: str | None = None,
        autoscales: bool = False,
        lost: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            istio_versions: Of the istiods that the stack wants in it, the first one first.
            namespaces: Those that the stack labels for injection.
            made_as: The Kubernetes version of a cluster that the stack makes itself, as in `v1.35`. It is given some
                time for its first answer.
            autoscales: Whether autoscalers of pods come into it, which need figures.
            lost: Whether it is left as it was. One that answers with a refusal, or is another one, is refused.
        """
        properties: Properties = {
            "cluster": cluster,
            **access.inputs,
            "istio_version": istio_versions[0],
            "istio_versions": list(istio_versions),
            **({"namespaces": list(namespaces)} if namespaces else {}),
            "uid": None,
            "kubernetes_version": made_as,
            **({} if made_as is None else {"patience": PATIENCE}),
            **({"autoscales": True} if autoscales else {}),
            **({"lost": True} if lost else {}),
        }
        super().__init__(_ReachabilityProvider(), name, properties, opts)
