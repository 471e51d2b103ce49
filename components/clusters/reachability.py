"""The check, in every preview and `up`, that an existing cluster is there, lets us in, and is the one it was.

Without it a cluster that is down shows as a warning and a failed resource somewhere in its middle, or, where the
kubeconfig names another cluster by now, as a plan to make everything anew there.
"""

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, ReadResult, Resource, UpdateResult

from components.clusters.api import Identity, Unreachable, identify
from components.config.kubeconfig import KubeconfigError, select
from components.config.support import kubernetes_minor, minor_text, support_of
from components.dynamic import Properties, Provider

_WHOLE = ""
"""A fault of no one property: the engine then names the resource alone."""


class _ReachabilityProvider(Provider):
    def check(self, _olds: Properties, news: Properties) -> CheckResult:
        try:
            identity = _identify(news)
        except _Refused as refused:
            return CheckResult(news, [CheckFailure(_WHOLE, refused.sentence)])
        reason = _other_cluster(_olds, news, identity) or _unsupported(news, identity)
        if reason:
            return CheckResult(news, [CheckFailure(_WHOLE, reason)])
        return CheckResult({**news, "uid": identity.uid, "kubernetes_version": identity.version}, [])

    def create(self, props: Properties) -> CreateResult:
        return CreateResult(props["uid"], dict(props))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: Properties) -> ReadResult:
        """`pulumi refresh` takes over what the cluster says now; of a cluster that was rebuilt, a new identity."""
        try:
            identity = _identify(props)
        except _Refused as refused:
            raise RuntimeError(refused.sentence) from None
        fresh = {**props, "uid": identity.uid, "kubernetes_version": identity.version}
        return ReadResult(id_, dict(fresh), {key: value for key, value in fresh.items() if key != "__provider"})


class _Refused(Exception):
    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def _identify(props: Properties) -> Identity:
    kubeconfig, context, cluster = props["kubeconfig"] or None, props["context"] or None, props["cluster"]
    try:
        selected = select(kubeconfig, context)
    except KubeconfigError as problem:
        raise _Refused(f"cluster `{cluster}` cannot be reached: {problem.what}. {problem.cure}.") from None
    try:
        return identify(kubeconfig, context)
    except Unreachable as problem:
        raise _Refused(
            f"cluster `{cluster}` (context `{selected.context}` of {selected.source}): the API server at "
            f"{selected.server} {problem.cause}. Nothing can be read from or made in it. {problem.cure}, and run again."
        ) from None


def _other_cluster(olds: Properties, news: Properties, identity: Identity) -> str | None:
    if not olds.get("uid") or olds["uid"] == identity.uid:
        return None
    return (
        f"cluster `{news['cluster']}`: {news['kubeconfig'] or 'the kubeconfig'} leads to another cluster than before "
        f"(its kube-system was {olds['uid']} and is {identity.uid}). Everything would be looked for in the wrong "
        f"place. Name the former cluster; if it was rebuilt, run `pulumi refresh`, which forgets what was in it, and "
        f"run again."
    )


def _unsupported(news: Properties, identity: Identity) -> str | None:
    support = support_of(news["istio_version"])
    minor = kubernetes_minor(identity.version)
    if support is None or support.takes(minor):
        return None
    return (
        f"cluster `{news['cluster']}` runs Kubernetes {identity.version}, and Istio {news['istio_version']} takes "
        f"{support.kubernetes_range}. It was never tested together, and istiod may not start. Take a Kubernetes of "
        f"that range, or an Istio whose range has {minor_text(minor)}: `istio-mesh:mesh.version`."
    )


class Reachability(Resource, module="istio-mesh", name="Reachability"):
    """An existing cluster, asked anew in each preview and `up`. Fails in one sentence when it cannot be used."""

    uid: pulumi.Output[str]
    """UID of its namespace kube-system."""

    kubernetes_version: pulumi.Output[str]
    """What its API server says of itself, as in `v1.35.4`."""

    def __init__(
        self,
        name: str,
        *,
        cluster: str,
        kubeconfig: str | None,
        context: str | None,
        istio_version: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        properties: Properties = {
            "cluster": cluster,
            "kubeconfig": kubeconfig or "",
            "context": context or "",
            "istio_version": istio_version,
            "uid": None,
            "kubernetes_version": None,
        }
        super().__init__(_ReachabilityProvider(), name, properties, opts)
