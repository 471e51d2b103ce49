"""What may be wrong with a service's routes.

Each case is the services of the minimal stack, and every fault that they must show, word by word.
"""

from pathlib import Path

import pytest

from tests.builders import Yaml, faults_of
from tests.services import services

CASES: list[tuple[str, Yaml, list[str]]] = [
    (
        "a match of nothing",
        services(routes=[{"match": {}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].match: it names nothing. It looks '
                "like a condition and is none. Add `path`, `headers` or `methods`, or leave `match` out "
                "for every request."
            )
        ],
    ),
    (
        "a path without a slash",
        services(routes=[{"match": {"path": "api/*"}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].match.path: `api/*` is not a path. No'
                " request could match it. Write one path as in `/health`, or a path with all below it as "
                "in `/api/v1/*`; `/*` is every path."
            )
        ],
    ),
    (
        "a star within a path",
        services(routes=[{"match": {"path": "/api/*/users"}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].match.path: `/api/*/users` is not a '
                "path. No request could match it. Write one path as in `/health`, or a path with all "
                "below it as in `/api/v1/*`; `/*` is every path."
            )
        ],
    ),
    (
        "a path that no proxy sees",
        services(routes=[{"match": {"path": "/api//users"}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].match.path: `/api//users` is not a '
                "normal path. Proxies take double slashes and dot segments out before they compare: it "
                "would never match. Write the path as the server sees it."
            )
        ],
    ),
    (
        "a header in upper case",
        services(routes=[{"match": {"headers": {"User-Type": "premium"}}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].match.headers.User-Type: `User-Type` '
                "is not a header's name in lower case. Proxies compare names in lower case (RFC 9113, "
                "8.2): it would never match. Write it as in `user-type`."
            )
        ],
    ),
    (
        "a method twice",
        services(routes=[{"match": {"methods": ["GET", "GET"]}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].match.methods[1]: GET is named twice.'
                " One of them is a mistake. Name it once."
            )
        ],
    ),
    (
        "a method that is none",
        services(routes=[{"match": {"methods": ["get"]}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].match.methods[0]: it is `get`. Only '
                "these are known: `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `CONNECT`, `OPTIONS`, `TRACE`, "
                "`PATCH`. Take one."
            )
        ],
    ),
    (
        "a route after one that takes everything",
        services(routes=[{"version": "v1"}, {"match": {"path": "/api/*"}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[1]: routes[0] takes all of its requests.'
                " It would never see one. Put the narrower one first, or take it out."
            )
        ],
    ),
    (
        "a route below an earlier one",
        services(
            routes=[
                {"match": {"path": "/api/*"}},
                {"match": {"path": "/api/v1/*", "headers": {"user-type": "premium"}}},
            ]
        ),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[1]: routes[0] takes all of its requests.'
                " It would never see one. Put the narrower one first, or take it out."
            )
        ],
    ),
    (
        "a route of methods that an earlier one takes",
        services(routes=[{"match": {"methods": ["GET", "HEAD"]}}, {"match": {"path": "/a", "methods": ["GET"]}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[1]: routes[0] takes all of its requests.'
                " It would never see one. Put the narrower one first, or take it out."
            )
        ],
    ),
    (
        "a route behind the canary's header",
        services(
            canary={"to": "v2", "header": {"canary-user": "true"}},
            routes=[{"match": {"path": "/a", "headers": {"canary-user": "true"}}}],
        ),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0]: canary.header takes all of its '
                "requests. It would never see one. Put the narrower one first, or take it out."
            )
        ],
    ),
    (
        "a stream with a time-out",
        services(routes=[{"stream": True, "timeout": "5s"}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].timeout: a stream with a time-out of '
                "5s. Every stream would be cut after it, however busy. Take `timeout` out (`idleTimeout` "
                "of the service ends silent ones), or take `stream` out."
            )
        ],
    ),
    (
        "a stream with tries of a second",
        services(stream=True, retries={"perTry": "1s"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].retries.perTry: a stream with 1s for each try. '
                "Every stream would be cut after it and begun again. Take `perTry` out."
            )
        ],
    ),
    (
        "a try longer than all of them",
        services(timeout="2s", retries={"perTry": "5s"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].retries.perTry: a try may take 5s, all of them '
                "together 2s. There would never be a second one. Lower `perTry` or raise `timeout`."
            )
        ],
    ),
    (
        "a time for tries that are none",
        services(retries={"attempts": 0, "perTry": "1s"}),
        [
            (
                'istio-mesh:services["exam/exam-service"].retries.perTry: a time for each try, and no '
                "second try. It would be a time-out in disguise. Set `timeout` of the route, or raise "
                "`attempts`."
            )
        ],
    ),
    (
        "an idle time-out without a stream",
        services(idleTimeout="1h"),
        [
            (
                'istio-mesh:services["exam/exam-service"].idleTimeout: there is no stream that it could '
                "end. Requests have a time-out, and an idle one besides would never act. Add `stream: "
                "true` to the service or to a route, or take it out."
            )
        ],
    ),
    (
        "a time-out without a unit",
        services(timeout=5),
        [
            (
                'istio-mesh:services["exam/exam-service"].timeout: the number 5 is not a length of time. '
                "Without a unit milliseconds and seconds look alike. Write whole numbers with units from h, m, s,"
                " ms, as in `100ms`, `10s` or `1m30s`."
            )
        ],
    ),
    (
        "a fault that is none",
        services(routes=[{"fault": {"percent": 10}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].fault: neither `delay` nor `abort` is'
                " given. Nothing would happen. Add one of them."
            )
        ],
    ),
    (
        "a fault of no request",
        services(routes=[{"fault": {"abort": 503, "percent": 0}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].fault.percent: 0 is below 1. It is '
                "out of the range that makes sense. Write a number that is not below 1."
            )
        ],
    ),
    (
        "an abort with success",
        services(routes=[{"fault": {"abort": 200, "percent": 5}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].fault.abort: 200 is below 400. It is '
                "out of the range that makes sense. Write a number that is not below 400."
            )
        ],
    ),
    (
        "a mirror that is no service",
        services(routes=[{"mirror": {"to": "exam/exam-shadow"}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].mirror.to: there is no service '
                "`exam/exam-shadow`. The copies would go nowhere. Did you mean `exam/exam-service`?"
            )
        ],
    ),
    (
        "a mirror of itself",
        services(routes=[{"mirror": {"to": "exam/exam-service"}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].mirror.to: it is the service itself. '
                "It would get each request twice. Name the service that gets the copies."
            )
        ],
    ),
    (
        "a mirror without the port",
        services(routes=[{"mirror": {"to": "exam/web-frontend"}}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].routes[0].mirror.to: `exam/web-frontend` has no'
                " HTTP port 9090. Copies of requests to this port would go nowhere. Give it the same HTTP"
                " ports, or mirror to another service."
            )
        ],
    ),
    (
        "HTTP words on a TCP service",
        services()
        | {
            "exam/db": {
                "ports": {"tcp": 5432},
                "routes": [{"timeout": "5s"}],
                "timeout": "5s",
                "retries": {},
                "stream": True,
                "hosts": ["exam-platform.com"],
            }
        },
        [
            (
                'istio-mesh:services["exam/db"].timeout: a stream with a time-out of 5s. Every stream '
                "would be cut after it, however busy. Take `timeout` out (`idleTimeout` of the service "
                "ends silent ones), or take `stream` out."
            ),
            (
                'istio-mesh:services["exam/db"].routes: the service has no HTTP port. Proxies see no '
                "requests on its ports, only connections, and it would be ignored. Name an HTTP port, as "
                "in `http: 8080`, or take it out."
            ),
            (
                'istio-mesh:services["exam/db"].timeout: the service has no HTTP port. Proxies see no '
                "requests on its ports, only connections, and it would be ignored. Name an HTTP port, as "
                "in `http: 8080`, or take it out."
            ),
            (
                'istio-mesh:services["exam/db"].stream: the service has no HTTP port. Proxies see no '
                "requests on its ports, only connections, and it would be ignored. Name an HTTP port, as "
                "in `http: 8080`, or take it out."
            ),
            (
                'istio-mesh:services["exam/db"].retries: the service has no HTTP port. Proxies see no '
                "requests on its ports, only connections, and it would be ignored. Name an HTTP port, as "
                "in `http: 8080`, or take it out."
            ),
            (
                'istio-mesh:services["exam/db"].hosts: the service has no HTTP port. Proxies see no '
                "requests on its ports, only connections, and it would be ignored. Name an HTTP port, as "
                "in `http: 8080`, or take it out."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("said", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(tmp_path: Path, said: Yaml, faults: list[str]) -> None:
    assert faults_of(tmp_path, {"services": said}) == faults
