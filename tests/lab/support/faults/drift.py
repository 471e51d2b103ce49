"""The lab as it is, and a stack that says otherwise."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from typing import Any

from tests.lab.support.certificates import Authority, pem_of
from tests.lab.support.faults import USE1, USW2, Expected, both
from tests.lab.support.site import EXAM, host_of

Outputs = dict[str, Any]


def _of_stack(*path: str, value: Any) -> Callable[[Outputs], Outputs]:
    def change(outputs: Outputs) -> Outputs:
        changed = copy.deepcopy(outputs)
        here = changed
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = value
        return changed

    return change


def _another_root() -> str:
    return pem_of(*Authority.foreign("Somebody").chain).decode()


LATER = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=4000)).strftime("%Y-%m-%dT%H:%M:%SZ")

NOBODY = {
    "host": host_of("nobody", EXAM),
    "ports": {"http": {"number": 8080, "protocol": "http"}},
    "clusters": [USE1],
    "principal": f"exam-platform.local/ns/{EXAM}/sa/nobody",
}

DRIFT: tuple[tuple[str, Callable[[Outputs], Outputs], tuple[Expected, ...]], ...] = (
    (
        "another address",
        _of_stack("clusters", USW2, "eastWest", "address", value="192.0.2.1"),
        (Expected("gateway-moved", USW2, r"The east-west gateway is at \S+, and the stack says 192\.0\.2\.1"),),
    ),
    (
        "another release",
        _of_stack("mesh", "istioVersion", value="1.31.7"),
        (
            *both("istiod-version", r"istiod is of Istio 1\.31\.0, and the stack says 1\.31\.7"),
            *both("proxy-version", r"\d+ prox\S+ in \S+ \S+ of Istio 1\.31\.0, and the control plane of 1\.31\.7"),
        ),
    ),
    (
        "another Kubernetes",
        _of_stack("clusters", USE1, "kubernetesVersion", value="v1.34.1"),
        (Expected("kubernetes-moved", USE1, r"use1 runs Kubernetes v1\.35\.4, and the stack says v1\.34\.1"),),
    ),
    (
        "another intermediate",
        _of_stack("clusters", USE1, "authorityExpiry", value=LATER),
        (Expected("authority-other", USE1, r"istiod signs with an intermediate that ends on .*"),),
    ),
    (
        "another root",
        lambda outputs: _of_stack("mesh", "rootCertificates", value=_another_root())(outputs),
        tuple(both("root-foreign", r"Workloads trust the root `.*`, which is none of the stack's")),
    ),
    (
        "a service that nobody deployed",
        _of_stack("services", "exam/nobody", value=NOBODY),
        (
            Expected(
                "service-missing", USE1, r"The stack says that exam/nobody runs in use1, and there is no such Service"
            ),
        ),
    ),
)
"""The lab as it is, and a stack that says otherwise."""
