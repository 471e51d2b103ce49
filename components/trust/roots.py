"""The roots that the mesh trusts, as a resource that remembers them: each change of them is one step of a rotation."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import pulumi
from cryptography import x509
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, Resource, UpdateResult
from pulumi.runtime import rpc

from components.clusters.api import Unreachable, connect
from components.clusters.cluster import Cluster
from components.config.kubeconfig import KubeconfigError
from components.config.rotation import NONE
from components.dynamic import Properties, Provider
from components.trust.proxies import read_proxies
from components.trust.rotation import Behind, Trust, behind, cuts_off, is_step, told

GUIDE = "docs/rotate-the-root.md"
"""The steps of a rotation, for a person."""

_WHOLE = ""
"""A fault of no one property: the engine else shows the property's value, which may be long."""

_ON = {
    NONE: "Write the present root as it was, and begin with `trust.rotation.phase: trust-both`",
    "trust-both": "Write `sign-new` to go on, or take `rotation` out, with `root` as it was, to go back",
    "sign-new": "Write `drop-old` to go on, or `trust-both` to go back",
    "drop-old": "To end it take `rotation` out, with the next root as `root`; to go back write `sign-new`",
}
"""What may follow each phase."""


class _RootBundleProvider(Provider):
    def check(self, _olds: Properties, news: Properties) -> CheckResult:
        reason = _refusal(_olds, news)
        return CheckResult(news, [CheckFailure(_WHOLE, reason)] if reason else [])

    def create(self, props: Properties) -> CreateResult:
        return CreateResult("roots", dict(props))

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        before, wanted = ((props["bundle"], props.get("phase", NONE)) for props in (_olds, _news))
        # Who signs changes with the phase, and is not in states of before there were any.
        return DiffResult(changes=before != wanted)

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        return UpdateResult(dict(_news))


def _refusal(olds: Properties, news: Properties) -> str | None:
    """Why the change is not made; None where it may be."""
    if not _known(olds.get("bundle")):
        return None
    before = _trust(olds["bundle"], olds.get("signer"))
    if not _known(news["bundle"]) or not _known(news["signer"]):
        # A preview with a root that is still to be made. Nobody trusts it yet: it may be added, and not sign.
        same_signer = _known(news["signer"]) and _parsed(news["signer"])[0] == before.signer
        return None if same_signer else _skipped(olds, news)
    wanted = _trust(news["bundle"], news["signer"])
    if not is_step(before, wanted):
        return _skipped(olds, news)
    if not cuts_off(before, wanted):
        return None
    return _too_early(news, before, wanted)


def _skipped(olds: Properties, news: Properties) -> str:
    stands, asked = olds.get("phase", NONE), news["phase"]
    root = "another next root" if asked == stands else f"`{asked}`"
    what, where = ("another root", "trust.root") if asked == NONE else (root, "trust.rotation")
    after = f"`{stands}`" if stands else "no rotation"
    return (
        f"istio-mesh:{where}: {what} cannot follow {after}. The clusters would take it one after the other, and "
        f"meanwhile refuse each other's requests. {_ON[stands]}: see {GUIDE}."
    )


def _too_early(news: Properties, before: Trust, wanted: Trust) -> str | None:
    found: list[Behind] = []
    count = 0
    for cluster in news["clusters"]:
        try:
            proxies = read_proxies(connect(cluster["kubeconfig"] or None, cluster["context"] or None))
        except (Unreachable, KubeconfigError) as problem:
            said = f"the API server {problem.cause}" if isinstance(problem, Unreachable) else problem.what
            return (
                f"istio-mesh:trust.rotation: the proxies of the cluster `{cluster['name']}` cannot be asked what they "
                f"trust: {said}. They might be cut off. {problem.cure}, and run again."
            )
        count += len(proxies)
        found += behind(cluster["name"], proxies, before, wanted)
    if not found:
        return None
    step = f"`{news['phase']}`" if news["phase"] else "the end of the rotation"
    return (
        f"istio-mesh:trust.rotation: {step} is too early: {len(found)} of {count} proxies and the others would refuse "
        f"each other's requests. {told(found)}. istiods tell proxies within two minutes of the `up` before: "
        f"wait, and run again. For those that stay behind {_cure(before, wanted)}."
    )


def _cure(before: Trust, wanted: Trust) -> str:
    if before.signer != wanted.signer:
        return "see `istioctl proxy-status`, and start their pods anew"
    return "raise `trust.rotation.reissue` by one in the phase before, or start their pods anew"


def _known(pem: object) -> TypeGuard[str]:
    """In a preview the certificate of a root that is still to be made is unknown: no text, or the engine's mark."""
    return isinstance(pem, str) and pem != rpc.UNKNOWN


def _trust(bundle: str, signer: str | None) -> Trust:
    roots = _parsed(bundle)
    # Before there were rotations the state had no signer, and one root.
    return Trust(roots, _parsed(signer)[0] if signer else roots[0])


def _parsed(pem: str) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificates(pem.encode()))


class RootBundle(Resource, module="istio-mesh", name="RootBundle"):
    """A PEM bundle and which of its roots signs, both changed in steps that no proxy is cut off by.

    Whatever trusts the roots takes them from here, and what they sign waits for it, so that nothing has changed when a
    step is refused. It reads the certificates of every proxy when a step could cut one off, and at no other time.
    """

    bundle: pulumi.Output[str]
    """The roots, in order."""

    def __init__(
        self,
        name: str,
        *,
        bundle: pulumi.Input[str],
        signer: pulumi.Input[str],
        phase: str,
        clusters: Sequence[Cluster],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`signer` is the certificate (PEM) of the root that signs; `clusters` are all whose proxies are asked."""
        inputs: dict[str, Any] = {
            "bundle": bundle,
            "signer": signer,
            "phase": phase,
            "clusters": [_access(cluster) for cluster in clusters],
        }
        super().__init__(_RootBundleProvider(), name, inputs, opts)


def _access(cluster: Cluster) -> Mapping[str, pulumi.Input[str]]:
    return {"name": cluster.name, **cluster.access.inputs}
