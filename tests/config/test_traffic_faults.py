"""What may be wrong with how callers treat a service, and with its ways to other regions.

Each case is the services of the minimal stack, and every fault that they must show, word by word.
"""

from pathlib import Path

import pytest

from tests.builders import Yaml, faults_of
from tests.services import services

OF_REQUESTS: Yaml = {"maxRequests": 10, "maxRequestsPerConnection": 1, "maxRetries": 1, "http2": False}
POOL_WORDS = tuple(f"pool.{word}" for word in OF_REQUESTS)


def ignored(place: str, word: str) -> str:
    return (
        f'istio-mesh:services["exam/exam-service"].{place}.{word}: there it is not for HTTP. Proxies see no requests '
        "on such a port, only connections, and it would be ignored. Take it out, or name a port for HTTP."
    )


CASES: list[tuple[str, Yaml, list[str]]] = [
    (
        "an age of connections whose requests are not seen",
        services(traffic={"ports": {"tcp": {"pool": {"maxConnectionDuration": "1m"}}}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.ports.tcp.pool.maxConnectionDuration: there it is '
                "not for HTTP. It would be left out: proxies see no requests on such a port, and cannot tell when none "
                "is under way. Take it out, or name a port for HTTP."
            )
        ],
    ),
    (
        "limits of requests on a port of connections",
        services(traffic={"ports": {"tcp": {"pool": OF_REQUESTS, "affinity": {"cookie": {"name": "session"}}}}}),
        [ignored("traffic.ports.tcp", word) for word in (*POOL_WORDS, "affinity.cookie")],
    ),
    (
        "limits of requests of a version, on such a port",
        services(versions={"v1": {"traffic": {"ports": {"tcp": {"affinity": {"header": "x-user-id"}}}}}, "v2": {}}),
        [ignored("versions.v1.traffic.ports.tcp", "affinity.header")],
    ),
    (
        "limits of requests of a service without any",
        services(ports={"tcp": 9000}, traffic={"pool": OF_REQUESTS, "affinity": {"header": "x-user-id"}}),
        [ignored("traffic", word) for word in (*POOL_WORDS, "affinity.header")],
    ),
    (
        "limits of connections of a service without requests",
        services(
            ports={"tcp": 9000},
            traffic={
                "pool": {"maxConnections": 10, "maxPendingRequests": 10, "idleTimeout": "1h"},
                "ports": {"tcp": {"affinity": {"sourceAddress": True}}},
            },
        ),
        [],
    ),
    (
        "limits of requests that hold for the HTTP ports of a service",
        services(traffic={"pool": OF_REQUESTS, "affinity": {"header": "x-user-id"}}),
        [],
    ),
    (
        "connections that outlive a gateway's pod",
        services(traffic={"ports": {"http": {"pool": {"maxConnectionDuration": "5m"}}}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.ports.http.pool.maxConnectionDuration: with 5m, 30s '
                "for its last answer, and the 2m for which a gateway's pod takes new connections, a connection "
                "outlives the pod's 4m. Callers in other regions would lose requests with each pod of a gateway that "
                "is replaced. Shorten it, or write at least `7m30s` for `atMost` of `istio-mesh:gateways.drain`."
            )
        ],
    ),
    (
        "failover beside distribute",
        services(failover={"use1": "usw2"}, distribute={"use1": {"use1": 100}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].distribute: both `failover` and `distribute` '
                "are given. Istio takes one: requests stay local while they can, or are always shared "
                "out. Keep one of them."
            )
        ],
    ),
    (
        "failover without outlier detection",
        services(failover={"use1": "usw2"}, traffic={"outliers": {"enabled": False}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.outliers.enabled: no endpoint is ever '
                "left alone, and `failover` is given. Istio silently leaves the way to other regions out."
                " Take `enabled: false` out, or `failover`."
            )
        ],
    ),
    (
        "failover with half of the endpoints ejected",
        services(failover={"use1": "usw2"}, traffic={"outliers": {"maxEjectionPercent": 50}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.outliers.maxEjectionPercent: at most 50'
                " % of the endpoints are left alone, and `failover` is given. The last local endpoints "
                "would be used however they fail, and requests not go to another region. Leave "
                "`maxEjectionPercent` out: it is then 100."
            )
        ],
    ),
    (
        "distribute with a port that ejects half",
        services(
            distribute={"use1": {"use1": 80, "usw2": 20}},
            traffic={"ports": {"http": {"outliers": {"maxEjectionPercent": 50}}}},
        ),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.ports.http.outliers.maxEjectionPercent:'
                " at most 50 % of the endpoints are left alone, and `distribute` is given. The last local"
                " endpoints would be used however they fail, and requests not go to another region. Leave"
                " `maxEjectionPercent` out: it is then 100."
            )
        ],
    ),
    (
        "failover with a version that ejects none",
        services(failover={"use1": "usw2"}, versions={"v1": {"traffic": {"outliers": {"enabled": False}}}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].versions.v1.traffic.outliers.enabled: no '
                "endpoint is ever left alone, and `failover` is given. Istio silently leaves the way to "
                "other regions out. Take `enabled: false` out, or `failover`."
            )
        ],
    ),
    (
        "failover to itself",
        services(failover={"use1": "use1"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].failover.use1: from use1 to use1. Its requests '
                "would stay where nothing answers. Name another region."
            )
        ],
    ),
    (
        "failover to a region without the service",
        services(regions=["use1"], failover={"use1": "usw2"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].failover.use1: the service does not run in '
                "usw2. When use1 fails, its requests would find nothing there either. Name one of its "
                "regions."
            )
        ],
    ),
    (
        "failover to a cluster that is none",
        services(failover={"use1": "euw1"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].failover.use1: there is no cluster `euw1`. '
                "Nothing runs there, and nothing would be called from there. Name one of `istio-"
                "mesh:clusters`."
            )
        ],
    ),
    (
        "shares of 90",
        services(distribute={"use1": {"use1": 80, "usw2": 10}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].distribute.use1: the shares add up to 90. Istio'
                " refuses the DestinationRule. Make them 100 together."
            )
        ],
    ),
    (
        "a share of a region without the service",
        services(regions=["use1"], distribute={"use1": {"use1": 80, "usw2": 20}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].distribute.use1.usw2: the service does not run '
                "in usw2. Its share would go to the other regions. Name its regions alone."
            )
        ],
    ),
    (
        "shares for a cluster that is none",
        services(distribute={"euw1": {"use1": 100}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].distribute.euw1: there is no cluster `euw1`. '
                "Nothing runs there, and nothing would be called from there. Name one of `istio-"
                "mesh:clusters`."
            )
        ],
    ),
    (
        "affinity beside a way of balancing",
        services(traffic={"affinity": {"header": "x-user-id"}, "loadBalancing": "RANDOM"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.loadBalancing: both `affinity` and '
                "`loadBalancing` are given. Istio takes one: an endpoint is chosen by the caller or by "
                "load. Keep one of them."
            )
        ],
    ),
    (
        "affinity by two",
        services(traffic={"affinity": {"header": "x-user-id", "sourceAddress": True}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.affinity: exactly one of `cookie`, '
                "`header`, `sourceAddress` is needed, and `header`, `sourceAddress` are given. A caller "
                "would be known in no way, or in two. Keep one."
            )
        ],
    ),
    (
        "the seed's LEAST_CONN",
        services(traffic={"loadBalancing": "LEAST_CONN"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.loadBalancing: it is `LEAST_CONN`. Only'
                " these are known: `LEAST_REQUEST`, `ROUND_ROBIN`, `RANDOM`. Take one."
            )
        ],
    ),
    (
        "settings of a port that is none",
        services(traffic={"ports": {"https": {}}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.ports.https: there is no port `https`. '
                "Nothing would come of it. Known here: `http`, `grpc`, `tcp`."
            )
        ],
    ),
    (
        "settings of a version's port that is none",
        services(versions={"v1": {"traffic": {"ports": {"https": {}}}}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].versions.v1.traffic.ports.https: there is no '
                "port `https`. Nothing would come of it. Known here: `http`, `grpc`, `tcp`."
            )
        ],
    ),
    (
        "no connection at all",
        services(traffic={"pool": {"maxConnections": 0}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.pool.maxConnections: 0 is below 1. It '
                "is out of the range that makes sense. Write a number that is not below 1."
            )
        ],
    ),
    (
        "two hours to connect",
        services(traffic={"pool": {"connectTimeout": "2h"}}),
        [
            (
                'istio-mesh:services["exam/exam-service"].traffic.pool.connectTimeout: 2h to connect. '
                "Istio refuses more than an hour. Write some seconds, as in `5s`."
            )
        ],
    ),
]


@pytest.mark.parametrize(("said", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(tmp_path: Path, said: Yaml, faults: list[str]) -> None:
    assert faults_of(tmp_path, {"services": said}) == faults
