"""What istiod puts into other teams' namespaces, and takes from nobody's when it goes."""

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from components.clusters.api import Connection, Missing, Silent, Unreachable, connect
from components.clusters.cluster import Access
from components.config.kubeconfig import KubeconfigError
from components.dynamic import Properties, Provider

CONFIG_MAPS = ("istio-ca-root-cert", "istio-ca-crl")
"""What istiod keeps in every namespace (security/pkg/k8s and pilot's namespacecontroller.go in its source)."""

_LABEL = "istio.io%2Fconfig%3Dtrue"
"""The label that istiod gives them, so that nobody else's of the same name is taken."""


class _RemainsProvider(Provider):
    def create(self, props: Properties) -> CreateResult:
        return CreateResult("remains", dict(props))

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        return DiffResult(changes=any(_olds[key] != _news[key] for key in ("kubeconfig", "context")))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        return UpdateResult(dict(_news))

    def delete(self, _id: str, _props: Properties) -> None:
        try:
            api = connect(_props["kubeconfig"] or None, _props["context"] or None)
            for name in CONFIG_MAPS:
                _remove(api, name)
        except Silent:
            # A cluster that is gone has taken them along.
            return
        except KubeconfigError as problem:
            _left_behind(" or ".join(CONFIG_MAPS), problem.what, problem.cure)
        except Unreachable as problem:
            _left_behind(" or ".join(CONFIG_MAPS), f"the API server {problem.cause}", problem.cure)


def _remove(api: Connection, name: str) -> None:
    found = api.get(f"/api/v1/configmaps?fieldSelector=metadata.name%3D{name}&labelSelector={_LABEL}")
    for item in found["items"]:
        namespace = item["metadata"]["namespace"]
        try:
            api.delete(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        except Missing:
            continue
        except Silent:
            raise
        except Unreachable as problem:
            _left_behind(f"{namespace}/{name}", f"the API server {problem.cause}", problem.cure)


def _left_behind(what: str, cause: str, cure: str) -> None:
    """A warning and no failure: it is a public certificate, and no reason to keep a stack from being destroyed."""
    pulumi.log.warn(
        f"istiod's ConfigMap {what} was not removed: {cause}. It stays behind and harms nothing. {cure}, and delete it "
        f"with `kubectl delete configmap -A -l istio.io/config=true`."
    )


class Remains(Resource, module="istio-mesh", name="Remains"):
    """Made before istiod and taken down after it: removes what istiod left in namespaces that are not ours."""

    def __init__(self, name: str, *, access: Access, opts: pulumi.ResourceOptions | None = None) -> None:
        properties: Properties = {**access.inputs}
        super().__init__(_RemainsProvider(), name, properties, opts)
