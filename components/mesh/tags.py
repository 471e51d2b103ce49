"""Revision tags: which istiod injects the pods of the namespaces that ask by a tag.

The chart istiod makes them too. There a tag is one release's, and to move it to another revision it would first be
taken away: pods that are made meanwhile get no proxy. Here it is an object of its own that changes in place.
"""

from typing import Any

from components.config.mesh import MeshConfig
from components.config.upgrade import DEFAULT_TAG

Webhook = dict[str, Any]

_SERVICE_PORT = 443


def tag_name(tag: str) -> str:
    """Name of the webhook of a tag, as Istio's own tools give it."""
    return f"istio-revision-tag-{tag}"


def tag_labels(tag: str, mesh: MeshConfig) -> dict[str, str]:
    """By these istiod gives it its certificate, and `istioctl tag list` shows it."""
    return {"app": "sidecar-injector", "istio.io/tag": tag, "istio.io/rev": mesh.revision}


def tag_webhooks(tag: str, mesh: MeshConfig, *, namespace: str, path: str) -> list[Webhook]:
    """As in Istio's chart istiod (templates/revision-tags-mwc.yaml of 1.29 to 1.31), without the certificate: that is
    istiod's to fill in, and it keeps what is there when the tag moves, since all istiods of a cluster have one root.

    Args:
        tag: The tag.
        mesh: As the istiod has it that the tag stands for.
        namespace: Where istiod runs, or the way to it ends.
        path: What istiod is asked for.
    """

    def webhook(prefix: str, namespaces: list[Any], pods: list[Any]) -> Webhook:
        return {
            "name": f"{prefix}.sidecar-injector.istio.io",
            "clientConfig": {
                "service": {
                    "name": f"istiod-{mesh.revision}",
                    "namespace": namespace,
                    "path": path,
                    "port": _SERVICE_PORT,
                }
            },
            "sideEffects": "None",
            "rules": [
                {
                    "operations": ["CREATE"],
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "resources": ["pods"],
                }
            ],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "admissionReviewVersions": ["v1"],
            "namespaceSelector": {"matchExpressions": namespaces},
            "objectSelector": {"matchExpressions": pods},
        }

    asked, unasked = _is("istio.io/rev", tag), _absent("istio.io/rev")
    enabled, undecided = _is("istio-injection", "enabled"), _absent("istio-injection")
    willing, wanted = _not("sidecar.istio.io/inject", "false"), _is("sidecar.istio.io/inject", "true")
    made = [
        webhook("rev.namespace", [asked, undecided], [willing]),
        webhook("rev.object", [unasked, undecided], [willing, asked]),
    ]
    if tag == DEFAULT_TAG:
        made += [
            webhook("namespace", [enabled], [willing]),
            webhook("object", [undecided, unasked], [wanted, unasked]),
        ]
    return made


def _is(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": [value]}


def _not(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "operator": "NotIn", "values": [value]}


def _absent(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "DoesNotExist"}
