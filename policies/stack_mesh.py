"""Control planes beside each other: do they see, trust and understand one another."""

import base64
import binascii
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from policies.catalogue import MANDATORY, Finding, Setting, stack_policy
from policies.istio_security import SECRET
from policies.istio_versions import version_of
from policies.kubernetes_namespaces import NAMESPACE
from policies.mesh import Plane, planes, tags
from policies.resources import ISTIOD, Stack, Subject
from policies.unknowns import Node

_ROOTS = ("root-cert.pem", "ca.crt")
_DEFAULT_TRUST_DOMAIN = "cluster.local"
REMOTE_SECRET = "istio-remote-secret-"
"""Begins the names of remote secrets, as `istioctl create-remote-secret` gives them."""


@stack_policy(
    "stack-remote-secrets",
    MANDATORY,
    on=[ISTIOD],
    description="Each control plane has a remote secret for every other cluster.",
    reason="It does not see the other cluster's endpoints: nothing fails over, and callers get 503 without a reason.",
    source="Istio: install multi-primary, enable endpoint discovery",
)
def remote_secrets(stack: Stack, _: Setting) -> Iterator[Finding]:
    found = planes(stack)
    for plane in found:
        others = [other for other in found if other.cluster != plane.cluster]
        if plane.remote or not others:
            continue
        secrets = stack.of(SECRET, cluster=plane.cluster)
        known = {name for secret in secrets for name in _names_in(secret)}
        for other in others:
            if other.name is None:
                stack.unknown(plane.release, "values.global.multiCluster.clusterName")
            elif other.name not in known:
                if not all(one.labels["istio/multiCluster"].known and one["data"].known for one in secrets):
                    stack.unknown(plane.release, "the cluster's Secrets")
                    continue
                yield Finding(
                    f"there is no remote secret of `{other.name}`",
                    "istiod does not see that cluster's endpoints: nothing fails over to it",
                    f"add a Secret `{REMOTE_SECRET}{other.name}` with the label `istio/multiCluster: true` and the "
                    f"key `{other.name}`",
                    about=plane.release,
                )


def _names_in(secret: Subject) -> Iterator[str]:
    """Clusters that a Secret is the remote secret of."""
    if not secret.labels["istio/multiCluster"].is_("true"):
        return
    for place in ("data", "stringData"):
        if secret[place].known:
            yield from (name for name, _ in secret[place].items())
        elif secret.object_name.startswith(REMOTE_SECRET):
            yield secret.object_name.removeprefix(REMOTE_SECRET)


def _differ(found: Sequence[tuple[Plane, Node, str]]) -> Iterator[tuple[Plane, str, str, str]]:
    """Planes whose value is not that of the first one whose value is known: plane, place, value, the first one's."""
    told = [
        (plane, node.path, text)
        for plane, node, default in found
        if (text := node.text or (default if node.missing else None)) is not None
    ]
    for plane, path, text in told[1:]:
        if text != told[0][2]:
            yield plane, path, text, told[0][2]


@stack_policy(
    "stack-trust-domain",
    MANDATORY,
    on=[ISTIOD],
    description="All control planes have one trust domain.",
    reason="Identities of one cluster are strangers in the other: every rule by principal refuses across regions.",
    source="Istio: trust domain migration; deployment models, trust within a mesh",
)
def trust_domain(stack: Stack, _: Setting) -> Iterator[Finding]:
    values = [(p, p.release.value("meshConfig", "trustDomain"), _DEFAULT_TRUST_DOMAIN) for p in planes(stack)]
    for plane, path, own, first in _differ(values):
        yield Finding(
            f"the trust domain is `{own}`, and `{first}` in another cluster",
            "Rules by principal refuse every caller from the other cluster",
            "set the same `meshConfig.trustDomain` in all of them",
            path,
            plane.release,
        )


@stack_policy(
    "stack-mesh-id",
    MANDATORY,
    on=[ISTIOD],
    description="All control planes have one mesh id.",
    reason="Telemetry and trust take the clusters for two meshes.",
    source="Istio: install multi-primary, global.meshID",
)
def mesh_id(stack: Stack, _: Setting) -> Iterator[Finding]:
    values = [(plane, plane.release.value("global", "meshID"), "") for plane in planes(stack)]
    for plane, path, own, first in _differ(values):
        yield Finding(
            f"the mesh id is `{own}`, and `{first}` in another cluster"
            if own
            else f"there is no mesh id beside `{first}`",
            "Telemetry and trust take the clusters for two meshes",
            "set the same `global.meshID` in all of them",
            path,
            plane.release,
        )


@stack_policy(
    "stack-version-skew",
    MANDATORY,
    on=[ISTIOD],
    description="Control planes are at most one minor apart.",
    reason="Istio tests no wider skew: proxies are told things that they do not know, and clusters disagree on routes.",
    source="istio.io: supported releases, control plane/data plane skew; canary upgrades",
)
def version_skew(stack: Stack, _: Setting) -> Iterator[Finding]:
    found = [(plane, version) for plane in planes(stack) if (version := _minor(plane.release)) is not None]
    if not found:
        return
    newest = max(version for _, version in found)
    for plane, version in found:
        if newest[0] != version[0] or newest[1] - version[1] > 1:
            yield Finding(
                f"Istio {version[0]}.{version[1]} stands beside {newest[0]}.{newest[1]}",
                "Nobody has tested them together, and they disagree on what proxies are told",
                f"upgrade it to {newest[0]}.{newest[1] - 1} first",
                about=plane.release,
            )


def _minor(release: Subject) -> tuple[int, int] | None:
    parts = (version_of(release) or "").split(".")
    if len(parts) < 2 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return None
    return int(parts[0]), int(parts[1])


@stack_policy(
    "stack-roots",
    MANDATORY,
    on=[SECRET],
    description="The authorities of all clusters have a root in common.",
    reason="No workload of one cluster takes the certificate of one of the other: every request between them fails.",
    source="Istio: plug in CA certificates; pilot/pkg/bootstrap (without cacerts a root of istiod's own)",
)
def roots(stack: Stack, _: Setting) -> Iterator[Finding]:
    own = [plane for plane in planes(stack) if not plane.remote]
    if len(own) < 2:
        return
    found = stack.of(SECRET)
    by_cluster = {secret.cluster: secret for secret in found if secret.object_name == "cacerts"}
    hidden = {secret.cluster for secret in found if not secret.object_name}
    for plane in own:
        if plane.cluster not in by_cluster and plane.cluster in hidden:
            stack.unknown(plane.release, "the cluster's Secrets")
        elif plane.cluster not in by_cluster:
            yield Finding(
                f"there is no Secret `cacerts` in `{plane.root}`",
                "istiod makes a root of its own, which no other cluster knows",
                "add one whose intermediate the shared root has signed",
                about=plane.release,
            )
    secrets = [by_cluster[plane.cluster] for plane in own if plane.cluster in by_cluster]
    first, *others = secrets or [None]
    for secret in others:
        if first is None or secret is None:
            continue
        known = [_fingerprints(one) for one in (first, secret)]
        if known[0] is not None and known[1] is not None:
            if not known[0] & known[1]:
                yield Finding(
                    "its roots have none in common with those of another cluster",
                    "No workload takes the certificate of one of the other cluster",
                    "sign all intermediates by one root, and put that into `root-cert.pem` of each",
                    f"data.{_ROOTS[0]}",
                    secret,
                )
        elif not _one_origin(stack, first, secret):
            # Both come from one authority, or it cannot be told before they are there.
            stack.unknown(secret, f"data.{_ROOTS[0]}")


def _fingerprints(secret: Subject) -> frozenset[bytes] | None:
    """Of the roots in a Secret; None where they are not known."""
    data = secret["data"]
    if not data.known or not all(data[name].known for name in _ROOTS):
        return None
    node = next((data[name] for name in _ROOTS if data[name].given), data[_ROOTS[0]])
    try:
        pem = base64.b64decode(node.text or "", validate=True)
        return frozenset(found.fingerprint(SHA256()) for found in x509.load_pem_x509_certificates(pem))
    except (binascii.Error, ValueError):
        return frozenset()


def _one_origin(stack: Stack, one: Subject, other: Subject) -> bool:
    """Whether both are made from one resource that is no provider, as intermediates are from their root."""
    common = stack.ancestors(one, "data") & stack.ancestors(other, "data")
    found = [resource for urn in common if (resource := stack.resource(urn)) is not None]
    return any(not resource.type.startswith(("pulumi:providers:", "kubernetes:")) for resource in found)


@stack_policy(
    "stack-revision",
    MANDATORY,
    on=[NAMESPACE],
    description="A namespace's revision is one that a control plane has.",
    reason="Under another name no webhook answers: pods come up without a sidecar, and outside of every policy.",
    source="Istio: canary upgrades, revisions and tags; istioctl analyze IST0143",
)
def revision(stack: Stack, _: Setting) -> Iterator[Finding]:
    by_cluster: dict[str, list[Plane]] = {}
    for plane in planes(stack):
        by_cluster.setdefault(plane.cluster, []).append(plane)
    for cluster, found in by_cluster.items():
        made = tags(stack, cluster)
        names = [*(name for plane in found for name in plane.revisions), *(tag.text for tag in made if tag.text)]
        known = list(dict.fromkeys(names))
        for namespace in stack.of(NAMESPACE, cluster=cluster):
            labels = namespace.labels
            wanted = "default" if labels["istio-injection"].is_("enabled") else labels["istio.io/rev"].text
            if wanted is None or wanted in known:
                continue
            words = [plane.release.value(name) for plane in found for name in ("revision", "revisionTags")]
            if not all(word.complete for word in [*words, *made]):
                stack.unknown(namespace, "the control planes' revisions")
                continue
            yield Finding(
                f"no control plane of the cluster has the revision or tag `{wanted}`",
                "Pods come up without a sidecar, and outside of every policy",
                f"take one of {', '.join(f'`{name}`' for name in known)}, or make the tag (`istioctl tag set`)",
                "metadata.labels",
                namespace,
            )
