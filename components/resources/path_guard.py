"""Paths that a proxy and a server may read differently, refused where a rule depends on the path.

Proxies normalise paths (mesh-wide: percent-encoding, double slashes, dot segments) and compare what is left to the
letter. Some servers go further: Express and IIS take `/Admin` for `/admin`, Tomcat and Spring take `;x=1` out of
`/admin;x=1`, and `/a/..;/admin` and `/;/admin` for `/admin`. Istio's rules have no match without case, so that such a
request would pass as one for another path. An Envoy RBAC filter refuses it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from components.config.names import path_covers

_PARAMETERS = r"(?:(?:;|%3b)[^/]*)?"
_DOTS = r"(?i).*/\.{0,2}(?:;|%3b).*"


def guard_filter(closed: Sequence[str], public: Sequence[str]) -> dict[str, Any] | None:
    """The filter for paths that need a role (`closed`); None where there are none.

    What matches one of them only when read as a lax server reads it is refused with 403. Patterns are PathPattern;
    those of `public`, and closed ones that differ from one another in case alone, keep their exact spelling.
    """
    if not closed:
        return None
    policies = {
        "empty-or-dot-segment-with-parameters": _policy(_path(_DOTS)),
        **{
            f"other-spelling-of-{path}": _policy(
                _both(_path(_lax(path)), _any(map(_exact, _kept(path, closed, public))))
            )
            for path in _guarded(closed)
        },
    }
    return {
        "name": "istio-mesh.path-guard",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "DENY", "policies": policies},
        },
    }


def refuses(closed: Sequence[str], public: Sequence[str], path: str) -> bool:
    """Whether the filter of these patterns refuses the normalised `path`: what Envoy decides, by the same patterns."""
    if not closed:
        return False
    return bool(re.fullmatch(_DOTS, path)) or any(
        re.fullmatch(_lax(pattern), path)
        and not any(re.fullmatch(_exact(kept), path) for kept in _kept(pattern, closed, public))
        for pattern in _guarded(closed)
    )


def _guarded(closed: Sequence[str]) -> list[str]:
    """`/*` has no other spelling."""
    return sorted({path for path in closed if path != "/*"})


def _kept(path: str, closed: Sequence[str], public: Sequence[str]) -> list[str]:
    """The patterns below `path` for a lax reader whose exact spelling is meant."""
    others = {
        other
        for other in (*closed, *public)
        if path_covers(path.lower(), other.lower()) and not path_covers(path, other)
    }
    return [path, *sorted(others)]


def _policy(permission: dict[str, Any]) -> dict[str, Any]:
    return {"permissions": [permission], "principals": [{"any": True}]}


def _both(this: dict[str, Any], but_not: dict[str, Any]) -> dict[str, Any]:
    return {"and_rules": {"rules": [this, {"not_rule": but_not}]}}


def _any(patterns: Iterable[str]) -> dict[str, Any]:
    rules = [_path(pattern) for pattern in patterns]
    return rules[0] if len(rules) == 1 else {"or_rules": {"rules": rules}}


def _path(pattern: str) -> dict[str, Any]:
    return {"url_path": {"path": {"safe_regex": {"regex": pattern}}}}


def _lax(path: str) -> str:
    base = path.removesuffix("/*").rstrip("/")
    words = f"{_PARAMETERS}/".join(re.escape(segment) for segment in base.split("/")[1:])
    return f"(?i)/{words}{_PARAMETERS}" + ("(?:/.*)?" if path.endswith("/*") else "/?")


def _exact(path: str) -> str:
    base = re.escape(path.removesuffix("/*"))
    return f"{base}(?:/.*)?" if path.endswith("/*") else base
