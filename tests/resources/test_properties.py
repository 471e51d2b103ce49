"""What holds for every stack of services: the order of keys means nothing. (Istio's own checks: test_istioctl.py.)"""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from components.config import StackConfig
from components.config.loading import check
from tests.builders import Yaml, stack
from tests.services import objects

CLUSTERS = ("use1", "usw2")
NAMES = ("exam/api", "exam/web", "exam/shadow", "results/store")
HOSTS = ("exam-platform.com", "api.exam-platform.com")


def served(*hosts: str) -> Yaml:
    servers = [{"hosts": [host], "tls": {"existingSecret": f"tls-{index}"}} for index, host in enumerate(hosts)]
    return {"ingress": {"servers": servers}}


SERVERS = served(*HOSTS)

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
"""Most stacks that are drawn are not valid, which is left to the model to say."""

durations = st.sampled_from(["1s", "5s", "90s", "2m"])
counts = st.integers(1, 5000)
paths = st.sampled_from(["/a", "/a/*", "/a/b/*", "/api/v1/*", "/health", "/x/y"])
headers = st.dictionaries(st.sampled_from(["user-type", "x-a", "x-b"]), st.sampled_from(["1", "premium"]), min_size=1)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Yaml]:
    """A map with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


pools = maybe(
    maxConnections=counts,
    connectTimeout=durations,
    maxPendingRequests=counts,
    maxRequests=counts,
    maxRequestsPerConnection=counts,
    maxRetries=counts,
    idleTimeout=durations,
    http2=st.booleans(),
)
plain_settings = maybe(
    pool=pools,
    loadBalancing=st.sampled_from(["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM"]),
    outliers=maybe(consecutiveErrors=counts, gatewayErrorsOnly=st.booleans(), interval=durations),
)
affine_settings = maybe(
    pool=pools,
    affinity=st.sampled_from([{"cookie": {"name": "s", "ttl": "1h"}}, {"header": "x-a"}, {"sourceAddress": True}]),
)
port_settings = plain_settings | affine_settings
traffic = st.builds(
    lambda base, ports: {**base, "ports": ports}, port_settings, st.dictionaries(st.just("http"), port_settings)
)
labels = {"track": "new", "version": "2"}
versions = st.sampled_from([["v1", "v2"], {"v1": {}, "v2": {"labels": labels}}]) | st.builds(
    lambda one, other: {"v1": {"traffic": one}, "v2": {"labels": labels, "traffic": other}}, traffic, traffic
)
streams = st.sampled_from([{}, {}, {"stream": True}, {"stream": True, "idleTimeout": "2h"}])
weights = st.integers(0, 100).map(lambda share: {"v1": share, "v2": 100 - share})
routes: st.SearchStrategy[Yaml] = st.fixed_dictionaries(
    {"match": maybe(path=paths, headers=headers, methods=st.sampled_from([["GET"], ["PUT", "GET"], ["POST"]]))},
    optional={
        "weights": weights,
        "timeout": durations,
        "retries": maybe(attempts=st.integers(1, 10)),
        "fault": st.sampled_from([{"delay": "2s", "percent": 10}, {"abort": 503, "percent": 1}]),
        "mirror": st.just({"to": "exam/shadow"}),
    },
)
rollouts = st.sampled_from(
    [
        {},
        {"canary": {"to": "v2", "percent": 10, "header": {"canary-user": "true"}}},
        {"canary": {"to": "v1", "from": "v2"}},
        {"blueGreen": {"active": "v1", "preview": {"header": {"deployment-type": "green"}}}},
    ]
)
regions = st.sampled_from(
    [
        {},
        {"regions": ["usw2"]},
        {"failover": {"use1": "usw2", "usw2": "use1"}},
        {"distribute": {"use1": {"use1": 80, "usw2": 20}}},
    ]
)
protections = maybe(
    access=st.sampled_from([{"jwt": {"issuers": ["exam"]}, "roles": {"admin": ["/admin/*"]}}]),
    rateLimit=st.just({"requests": 100, "per": "60s"}),
    maxRequestBody=st.just("1Mi"),
)
external = st.sampled_from(
    [
        {"hosts": ["api.payments.com"], "ports": {"https": 443}},
        {"hosts": ["*.payments.com"], "ports": {"tls": 443, "http": 80}},
        {"hosts": ["api.payments.com"], "ports": {"tcp-db": 5432}, "addresses": ["203.0.113.7"]},
        {"hosts": ["api.payments.com"], "ports": {"https": 443}, "endpoints": ["203.0.113.8", "203.0.113.9"]},
    ]
)
gateways = st.sampled_from([SERVERS, served(HOSTS[0], f"*.{HOSTS[0]}")])
callers = st.lists(st.sampled_from(NAMES), unique=True)


@st.composite
def services(draw: st.DrawFn, name: str) -> Yaml:
    """One service; what is not valid is left to `check`."""
    ports = draw(st.sampled_from([{"http": 8080}, {"http": 8080, "grpc": 9090, "tcp": 9000}]))
    said: Yaml = {"ports": ports, "versions": draw(versions), "callers": draw(callers), "traffic": draw(traffic)}
    said |= draw(rollouts) | draw(regions) | draw(protections) | draw(streams)
    if "stream" in said:
        # A body that never ends cannot be waited for.
        said.pop("maxRequestBody", None)
    if name != "exam/shadow":
        conditions = routes.filter(lambda route: "path" in route["match"])
        said["routes"] = draw(st.lists(conditions, max_size=3, unique_by=lambda route: route["match"]["path"]))
    return said


@st.composite
def stacks(draw: st.DrawFn) -> Yaml:
    """What a stack says of its services."""
    said = {name: draw(services(name)) for name in NAMES}
    # The shadow has every port that a copy may come from.
    said["exam/shadow"]["ports"] = {"http": 8080, "grpc": 9090, "tcp": 9000}
    said["exam/web"]["hosts"] = [HOSTS[0]]
    said["exam/api"]["hosts"] = [HOSTS[1], {"host": HOSTS[0], "paths": draw(st.lists(paths, min_size=1, unique=True))}]
    issuer = {
        "issuer": "https://login.example.com",
        "jwksUri": "https://login.example.com/keys",
        "audiences": ["exam"],
    }
    protected = any("access" in service for service in said.values())
    return {
        "services": said,
        "egress": {"payments": {**draw(external), "callers": ["exam/web"]}},
        "gateways": draw(gateways),
        **({"issuers": {"exam": issuer}} if protected else {}),
    }


def shuffled(value: Any, seed: random.Random) -> Any:
    """The same with the keys of every map in another order."""
    if isinstance(value, dict):
        items = list(value.items())
        seed.shuffle(items)
        return {key: shuffled(item, seed) for key, item in items}
    return [shuffled(item, seed) for item in value] if isinstance(value, list) else value


def config_of(folder: Path, said: Yaml) -> StackConfig:
    config, _ = check(stack(folder, CLUSTERS, **said))
    assume(config is not None)
    assert config is not None
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(said=stacks(), seed=st.randoms(use_true_random=False))
def test_the_order_of_keys_means_nothing(folder: Path, said: Yaml, seed: random.Random) -> None:
    one = config_of(folder, said)
    other = config_of(folder, shuffled(said, seed))
    for cluster in CLUSTERS:
        assert json.dumps([found.manifest({}) for found in objects(one, cluster)]) == json.dumps(
            [found.manifest({}) for found in objects(other, cluster)]
        )
