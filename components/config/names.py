"""Names that several concerns share: services by `namespace/name`, versions, headers, paths."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from components.config.faults import invalid
from components.config.values import DnsLabel, matching
from components.naming import DNS_LABEL_LIMIT

CLUSTER_DOMAIN = "cluster.local"
"""DNS domain of every cluster, the default of Kubernetes and of Istio."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()+,;=:@%/-]*")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def _service_name(value: str) -> str:
    parts = value.split("/")
    if len(parts) != 2 or not all(len(part) <= DNS_LABEL_LIMIT and _LABEL.fullmatch(part) for part in parts):
        raise invalid(
            f"`{value}` is not a service's name",
            "A service is known by its namespace and its own name, both DNS labels",
            "Write both, as in `exam/exam-service`",
        )
    if not parts[1][0].isalpha():
        raise invalid(
            f"`{parts[1]}` does not begin with a letter",
            "The API server refuses such a Service (RFC 1035)",
            "Begin it with a letter, as in `exam/exam-service`",
        )
    return value


ServiceName = Annotated[
    str,
    AfterValidator(_service_name),
    Field(json_schema_extra={"pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z]([-a-z0-9]*[a-z0-9])?$"}),
]
"""A service by its namespace and name, as in `exam/exam-service`."""


def split(service: str) -> tuple[str, str]:
    """Namespace and name of a ServiceName."""
    namespace, _, name = service.partition("/")
    return namespace, name


def host_of(service: str) -> str:
    """The DNS name of a ServiceName in every cluster: `exam-service.exam.svc.cluster.local`."""
    namespace, name = split(service)
    return f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"


def full_host(host: str, namespace: str) -> str:
    """As Istio completes a host: one without a dot is of the object's own namespace, any other is whole."""
    return host if "." in host else f"{host}.{namespace}.svc.{CLUSTER_DOMAIN}"


VersionName = DnsLabel
"""A version of a service: a DNS label, as in `v1` or `blue`. It is the name of the subset and, unless labels are
given, the value of the pods' label `version`."""


HeaderName = Annotated[
    str,
    matching(
        _HEADER,
        "a header's name in lower case",
        "Proxies compare names in lower case (RFC 9113, 8.2): it would never match",
        "Write it as in `user-type`",
    ),
]
"""Name of a header, in lower case."""


def _path(value: str) -> str:
    base = value.removesuffix("/*")
    if value == "/*":
        return value
    if not _PATH.fullmatch(base) or "*" in base:
        raise invalid(
            f"`{value}` is not a path",
            "No request could match it",
            "Write one path as in `/health`, or a path with all below it as in `/api/v1/*`; `/*` is every path",
        )
    if "//" in value or "/./" in f"{base}/" or "/../" in f"{base}/":
        raise invalid(
            f"`{value}` is not a normal path",
            "Proxies take double slashes and dot segments out before they compare: it would never match",
            "Write the path as the server sees it",
        )
    return value


PathPattern = Annotated[str, AfterValidator(_path), Field(json_schema_extra={"pattern": "^/"})]
"""One path (`/health`), or with `/*` at its end the path itself and all below it (`/admin/*` covers `/admin`,
`/admin/` and `/admin/users`); `/*` is every path. Segments are whole: `/admin/*` does not cover `/administer`."""


def path_covers(wider: str, narrower: str) -> bool:
    """Whether every path of the pattern `narrower` is one of `wider`."""
    if wider == "/*":
        return True
    if not wider.endswith("/*"):
        return wider == narrower
    base = wider.removesuffix("/*")
    return narrower.removesuffix("/*") == base or narrower.startswith(f"{base}/")


def path_meet(one: str, other: str) -> str | None:
    """The pattern of the paths that both have; None when there are none."""
    if path_covers(one, other):
        return other
    return one if path_covers(other, one) else None


def labels(value: dict[str, str]) -> dict[str, str]:
    """Checks labels of pods. Raises InvalidValue with the place of the wrong one."""
    for key, text in value.items():
        prefix, slash, name = key.rpartition("/")
        if not _LABEL_NAME.fullmatch(name) or (slash and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", prefix)):
            raise invalid(f"`{key}` is not a label's name", "The API server refuses it", "Write it as in `app`", key)
        if text and not _LABEL_NAME.fullmatch(text):
            raise invalid(f"`{text}` is not a label's value", "The API server refuses it", "Mend the value", key)
    return value


Labels = Annotated[dict[str, str], AfterValidator(labels), Field(min_length=1)]
"""Labels that select pods, at least one."""


def same_labels(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether a pod can have both: no label has two values."""
    return all(other.get(key, value) == value for key, value in one.items())


def host_covers(wider: str, host: str) -> bool:
    """Whether a server for the host `wider`, maybe a wildcard, gets requests for `host`."""
    return wider == host or (wider.startswith("*.") and host.removeprefix("*.").endswith(wider[1:]))
