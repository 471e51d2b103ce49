"""Whether a remote cluster's webhook gets an answer from the primary's istiod: the whole way there, and its trust."""

import time

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from components.clusters.api import Unreachable, connect
from components.clusters.cluster import Access
from components.clusters.pods import has_proxy
from components.config.kubeconfig import KubeconfigError
from components.dynamic import Properties, Provider

PATIENCE = 180.0
"""Seconds for the first answer: istiod reads the new cluster and gives its webhooks a certificate."""

INTERVAL = 1.0
"""Seconds between two questions."""

_PATH = "/api/v1/namespaces/istio-system/pods?dryRun=All"
"""A pod that is admitted, injection and all, and never made."""

_KEYS = ("kubeconfig", "context", "primary", "revision")


class _InjectionProvider(Provider):
    def create(self, props: Properties) -> CreateResult:
        _wait(props)
        return CreateResult("injection", dict(props))

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        return DiffResult(changes=any(_olds[key] != _news[key] for key in _KEYS))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        _wait(_news)
        return UpdateResult(dict(_news))


def _wait(props: Properties) -> None:
    ends = time.monotonic() + PATIENCE
    while (missing := _missing(props)) is not None:
        if time.monotonic() >= ends:
            cluster, primary = props["cluster"], props["primary"]
            raise RuntimeError(
                f"cluster `{cluster}`: the istiod of `{primary}` did not inject a pod within {PATIENCE:g} s: "
                f"{missing}. No pod of {cluster} can join the mesh. See that istiod runs in {primary}, and that nodes "
                f"and API server of {cluster} reach the load balancer of its istio-eastwestgateway on 15012 and 15017 "
                f"(443 where it has a name and no address), and run again."
            )
        time.sleep(INTERVAL)


def _missing(props: Properties) -> str | None:
    """What keeps a pod from being injected; None when it is."""
    try:
        pod = connect(props["kubeconfig"] or None, props["context"] or None).create(_PATH, _pod(props["revision"]))
    except Unreachable as problem:
        return f"the API server {problem.cause}"
    except KubeconfigError as problem:
        return problem.what
    return None if has_proxy(pod) else "the pod was admitted without a proxy"


def _pod(revision: str) -> Properties:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "istio-mesh-injection",
            "labels": {"istio.io/rev": revision, "sidecar.istio.io/inject": "true"},
        },
        "spec": {"containers": [{"name": "none", "image": "none"}]},
    }


class Injection(Resource, module="istio-mesh", name="Injection"):
    """Done when a pod would be injected in a cluster whose istiod is another one's; asked again when that changes.

    Without it the first pods of the gateways would be refused until the webhook answers, and tried again ever later.
    """

    def __init__(
        self,
        name: str,
        *,
        access: Access,
        cluster: str,
        primary: str,
        revision: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        properties: Properties = {
            **access.inputs,
            "cluster": cluster,
            "primary": primary,
            "revision": revision,
        }
        super().__init__(_InjectionProvider(), name, properties, opts)
