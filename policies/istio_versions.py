"""Versions: of Istio's objects, charts and images."""

from collections.abc import Iterator

from components.config.objects import API_VERSIONS
from components.config.support import DEFAULT_ISTIO, SUPPORTED, support_of
from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject

CHARTS = ("base", "istiod", "gateway", "cni", "ztunnel")
OPERATOR = "install.istio.io/IstioOperator"

_RELEASES = tuple(f"helm/{chart}" for chart in CHARTS)

_OBJECTS = tuple(f"{version.partition('/')[0]}/{kind}" for kind, version in API_VERSIONS.items())


def version_of(release: Subject) -> str | None:
    """Istio's version in a Release: the tag of its images, else the chart's version; None where neither is known."""
    return release.value("global", "tag").text or release["version"].text


@resource_policy(
    "istio-api-version",
    MANDATORY,
    on=_OBJECTS,
    description="Istio's objects are written in the version that is served without deprecation.",
    reason="alpha and beta versions are taken out one day, and the objects with them by the next `up`.",
    source="Istio 1.22 release notes: v1 APIs; kubernetes.io: deprecation policy",
)
def api_version(found: Subject, _: Setting) -> Iterator[Finding]:
    newest = API_VERSIONS[found.kind]
    if found.resource.api_version != newest:
        yield Finding(
            f"`{found.resource.api_version}` is an old version of {found.kind}",
            "It is taken out one day, and nothing can be changed then",
            f"write `{newest}`",
            "apiVersion",
        )


@resource_policy(
    "istio-operator-gone",
    MANDATORY,
    on=[OPERATOR],
    description="The mesh is not installed by IstioOperator.",
    reason="Its controller is gone since 1.24: nothing reads the object, and no istiod comes of it.",
    source="Istio 1.24 upgrade notes: in-cluster operator removed",
)
def operator_gone(_: Subject, __: Setting) -> Iterator[Finding]:
    yield Finding(
        "there is no operator any more",
        "Nothing reads the object, and no istiod comes of it",
        "install Istio's charts base, istiod and gateway by Helm",
        "kind",
    )


@resource_policy(
    "istio-version-supported",
    MANDATORY,
    on=_RELEASES,
    description="Istio's version is supported.",
    reason="Holes that are found in it stay open: a mesh is at every door of the platform.",
    source="istio.io: supported releases",
)
def version_supported(release: Subject, setting: Setting) -> Iterator[Finding]:
    version = version_of(release)
    if version is None or version.count(".") < 2:
        return
    row = support_of(version)
    cure = f"take {DEFAULT_ISTIO}, one minor after the other"
    if row is None:
        newer = tuple(map(_number, version.split(".")[:2])) > tuple(map(_number, SUPPORTED[-1].istio.split(".")))
        yield Finding(
            f"Istio {version} is not among the versions that are known here",
            "Whether it is supported cannot be told" if newer else "It has had no fixes for a long time",
            "update the pack's table" if newer else cure,
            "values.global.tag" if release.value("global", "tag").given else "version",
        )
    elif row.end_of_life is not None and row.end_of_life < setting.today:
        yield Finding(
            f"Istio {row.istio} had its end of life on {row.end_of_life}",
            "Holes that are found in it stay open",
            cure,
            "values.global.tag" if release.value("global", "tag").given else "version",
        )


def _number(text: str) -> int:
    return int("".join(c for c in text if c.isdigit()) or 0)


@resource_policy(
    "istio-version-pinned",
    MANDATORY,
    on=_RELEASES,
    description="Charts of Istio have an exact version, and so have their images.",
    reason="The next `up` installs whatever is the newest then; a chart of the source has the tag `latest`.",
    source="pulumi-kubernetes: helm.v3.Release, version; Istio: manifests/charts (hub istio-testing, tag latest)",
)
def version_pinned(release: Subject, _: Setting) -> Iterator[Finding]:
    chart = release["chart"].text or ""
    remote = chart.startswith("oci://") or release.properties.at("repositoryOpts", "repo").given
    if remote and release["version"].missing:
        yield Finding(
            f"the chart `{chart}` has no version",
            "The next `up` installs whatever is the newest then",
            f"set `version`, as in `{DEFAULT_ISTIO}`",
            "version",
        )
    tag, hub = release.value("global", "tag"), release.value("global", "hub")
    if tag.is_("latest"):
        yield Finding(
            "the images' tag is `latest`", "Nobody can tell what runs", f"set it as in `{DEFAULT_ISTIO}`", tag.path
        )
    if "istio-testing" in (hub.text or ""):
        yield Finding(
            f"the images come from {hub.shown}",
            "They are builds for tests, and are deleted after a while",
            "set `global.hub: docker.io/istio`, or a mirror of it",
            hub.path,
        )
