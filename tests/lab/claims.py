"""What each row claims, as the README has it, and what is broken on purpose for it, or would turn it red."""

from __future__ import annotations

import re

from lab.paths import Paths

BREAKS = {
    "A4": "a context that does not exist and a stopped API server are made; anything left after destroy is seen",
    "A6": "one object that an API server does not take, or one that differs with the overlay and is not on its list",
    "B1": "a workload that shows a certificate of the other region's intermediate, or one failed request of the load",
    "B2": "a certificate that is not replaced before it ends, or one failed request while it is",
    "B3": "the remote secret is taken away: the other region's endpoints have to be gone; the old token is tried again",
    "B4": "a skipped phase and a proxy that lags behind are tried: both are refused; a certificate of the old root too",
    "C1": "without the node agent the same pod has to stay outside",
    "C2": "one object of production's sizes that an API server does not take",
    "C3": "a region that answers none, or too few, of two hundred requests",
    "C4": "the only istiod is stopped: the remote cluster has to serve on",
    "C5": "steps that would cut proxies off are tried: with proxies, with a namespace that asks, and by two minors",
    "C7": "a pair of regions that is not wired, or that does not answer",
    "D1": "an unknown host and a wrong certificate are tried",
    "D2": "other names, a foreign root, no certificate and plain text are tried; one answer cut off as a pod ends",
    "E1": "a share further from its weight than chance allows, or one request that takes another route",
    "E2": "one failed request of the load, or a share that has not followed the number",
    "E3": "one answer of the old colour after the change has arrived, or one failed request",
    "E4": "more requests at once than the pool takes are sent: those above have to be refused",
    "E5": "slow, failing and refusing servers are made; a request that may not be sent twice is counted at the server",
    "E6": "a host that nobody declared and a caller that may not are tried",
    "F1": "plain text is sent to every port",
    "F2": "expired, foreign, changed and missing tokens are tried, 16 kinds",
    "F3": "57 ways to write a path are tried with a token of another role",
    "F4": "callers that nobody declared, of another namespace, region and trust domain, are tried",
    "F5": "every secret of the stack is looked for in state, outputs, logs and diffs",
    "G1": "an expression that an API server refuses, or that says something else of a request",
    "G2": "a span without its tags, or a trace that ends between the regions",
    "G3": "a good request in the log, a failed one that is missing, or a token in it",
    "G4": "a query of a dashboard or an alert that finds nothing in a real Prometheus; an alert that does not fire",
    "H1": "a filter with a wrong sum is deployed",
    "H2": "one request and one byte above the limit are sent",
    "I1": "one of two pods answers 503",
    "I2": "pods are deleted, scaled away, hang, answer 503 and are killed",
    "I3": "the link of a region is cut, its API server stopped, its node killed; `up` is tried without a word of it",
    "K1": "a caller that was not allowed is tried; a secret among the fields would be found",
    "J1": "wrong values beside unknown ones, and bad AWS resources, are tried; a mandatory policy that judges nothing",
    "J2": "bad changes of every kind are previewed and deployed: each has to be refused",
    "L1": "each fault is made in the lab; a finding too many counts like one too few",
    "L2": "a slow service, an open circuit breaker, an ejected endpoint and retries are made under load",
}
"""By row. What is made on purpose is named as that; the rest would turn the row red if it came about."""

_ROW = re.compile(r"^\| (?P<row>[A-Z]\d+) \| (?P<claim>.+?) \| (?P<by>[A-Z ]+) \|$", re.MULTILINE)


def claims() -> dict[str, str]:
    """The README's table: row to claim."""
    text = (Paths().root / "README.md").read_text(encoding="utf-8")
    return {found["row"]: found["claim"].replace("`", "") for found in _ROW.finditer(text)}
