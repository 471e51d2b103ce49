"""The roots that the mesh trusts, as a resource that remembers them: a line of the stack file must not swap them."""

from typing import Any, TypeGuard

import pulumi
from cryptography import x509
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, Resource, UpdateResult
from pulumi.runtime import rpc

from components.dynamic import Properties, Provider


class _RootBundleProvider(Provider):
    def check(self, _olds: Properties, news: Properties) -> CheckResult:
        before, wanted = _olds.get("bundle"), news["bundle"]
        if not _known(before) or not _known(wanted) or _one_has_the_other(before, wanted):
            return CheckResult(news, [])
        return CheckResult(
            news,
            [
                CheckFailure(
                    "bundle",
                    "istio-mesh:trust.root: the mesh trusts another root than this. The clusters would take the new "
                    "one after each other, and meanwhile refuse each other's requests; the key of a generated root "
                    "would be lost. Write the former root again; for a mesh with another root run `pulumi destroy` "
                    "before `pulumi up`, which takes the mesh away in between.",
                )
            ],
        )

    def create(self, props: Properties) -> CreateResult:
        return CreateResult("roots", dict(props))

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        return DiffResult(changes=_olds["bundle"] != _news["bundle"])

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        return UpdateResult(dict(_news))


def _known(bundle: object) -> TypeGuard[str]:
    """In a preview the certificate of a root that is still to be made is unknown: no text, or the engine's mark."""
    return isinstance(bundle, str) and bundle != rpc.UNKNOWN


def _one_has_the_other(before: str, wanted: str) -> bool:
    """Whether one bundle is a run of the other's certificates, in the same order: what istiod takes as a change."""
    shorter, longer = sorted((_blocks(before), _blocks(wanted)), key=len)
    return any(longer[first : first + len(shorter)] == shorter for first in range(len(longer) - len(shorter) + 1))


def _blocks(bundle: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle.encode())


class RootBundle(Resource, module="istio-mesh", name="RootBundle"):
    """A PEM bundle that may grow by roots and lose some, and is never another one.

    Whatever trusts the roots takes them from here, so that nothing has changed when a swap is refused.
    """

    bundle: pulumi.Output[str]
    """The roots, in order."""

    def __init__(self, name: str, *, bundle: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        inputs: dict[str, Any] = {"bundle": bundle}
        super().__init__(_RootBundleProvider(), name, inputs, opts)
