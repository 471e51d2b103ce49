"""When a change of the roots, or of the one that signs, is safe: pure rules, and the text by which it is pushed.

What is trusted and who signs never change at once, and a change that a proxy could not follow waits until every proxy
shows that it can:

- another root signs: every proxy must trust it;
- a root is no longer trusted: every proxy must show a certificate that ends in another one.

The rules know no phases, so that a step back is as safe as one forward, and are the same for every kind of root.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509

from components.config.rotation import NONE, Stage
from components.trust.proxies import Certificates, Proxy, root_of

SHOWN = 5
"""Proxies that a refusal names; the rest it counts."""


@dataclass(frozen=True)
class Trust:
    """What a mesh trusts, and who signs."""

    roots: Certificates
    """In order."""

    signer: x509.Certificate
    """The one of them below which intermediates sign."""


@dataclass(frozen=True)
class Behind:
    """A proxy that a change would cut off."""

    proxy: str
    """As `cluster namespace/pod`."""

    why: str
    """What it lacks, the same text for all that are behind in the same way."""


def is_step(before: Trust, wanted: Trust) -> bool:
    """Whether it is one change alone: other roots below the same signer, or another signer among the same roots.

    Roots may be added or taken away at either end, and never change their order.
    """
    if wanted.signer == before.signer:
        return has_the_other(before.roots, wanted.roots)
    return before.roots == wanted.roots


def has_the_other(before: Sequence[x509.Certificate], wanted: Sequence[x509.Certificate]) -> bool:
    """Whether one is a run of the other's certificates, in the same order: what every istiod takes as a change."""
    shorter, longer = sorted((list(before), list(wanted)), key=len)
    return any(longer[first : first + len(shorter)] == shorter for first in range(len(longer) - len(shorter) + 1))


def cuts_off(before: Trust, wanted: Trust) -> bool:
    """Whether a proxy could be left behind by it, and they have to be asked: not where a root is only added."""
    return before.signer != wanted.signer or not set(before.roots) <= set(wanted.roots)


def behind(cluster: str, proxies: Iterable[Proxy], before: Trust, wanted: Trust) -> Iterator[Behind]:
    """The proxies of a cluster that cannot follow yet."""
    known = tuple(dict.fromkeys((*before.roots, *wanted.roots)))
    for proxy in proxies:
        why = _reason(proxy, known, wanted)
        if why:
            yield Behind(f"{cluster} {proxy.pod}", why)


def _reason(proxy: Proxy, known: Certificates, wanted: Trust) -> str:
    if proxy.unknown:
        return f"not to be asked ({proxy.unknown})"
    if not proxy.chain or not proxy.roots:
        return "without a certificate or a root yet"
    if wanted.signer not in proxy.roots:
        return f"without trust in {name(wanted.signer)}"
    root = root_of(proxy.chain, known)
    if root is None:
        return "with a certificate of a root that is none of the stack's"
    return "" if root in wanted.roots else f"with a certificate of {name(root)}"


def told(found: Sequence[Behind]) -> str:
    """Who is behind and why, each reason once: `Without trust in CN=B: use1 a/b, use1 a/c and 7 more`."""
    by_reason: dict[str, list[str]] = {}
    for each in found:
        by_reason.setdefault(each.why, []).append(each.proxy)
    parts: list[str] = []
    for why, names in by_reason.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        parts.append(f"{why}: {', '.join(names[:SHOWN])}{more}")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def name(root: x509.Certificate) -> str:
    """A root as its owner knows it: `CN=Root CA 2,O=exam-platform.local`."""
    return root.subject.rfc4514_string()


def reissues(phase: str, stage: Stage, reissue: int) -> int:
    """How often proxies have been asked for new certificates while these roots are trusted.

    Another number for each signer, so that a change of it is told to proxies, which else would go on with their
    certificates of the former one until they renew: for twelve hours by default.
    """
    return 0 if phase == NONE or len(stage.trusts) == 1 else 2 * reissue + stage.signs


def marked(bundle: str, count: int) -> str:
    """The bundle as istiod is given it: with a line of comment for each time that certificates are asked for.

    istiod tells agents of every change of the bundle's text, and an agent that is told of one has its certificate
    signed anew (istio pkg/istio-agent/xds_proxy.go, security/pkg/nodeagent/cache, UpdateConfigTrustBundle). Lines are
    only appended: up to 1.30 istiod takes a text only if it is a part of the former one, or the reverse.
    """
    return bundle + "".join(f"# reissue {number}\n" for number in range(1, count + 1))
