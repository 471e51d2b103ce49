"""VirtualServices as a whole: a field that is missing, misspelt or new is a difference here."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.naming import public_route
from components.resources.routing import mesh_spec, public_specs
from tests.builders import Yaml, stack_config
from tests.services import PLAIN, services, the

HOST = "exam-service.exam.svc.cluster.local"

ONE_PORT: Yaml = {"ports": {"http": 8080}}

RETRIES = {
    "attempts": 2,
    "retryOn": "connect-failure,refused-stream,reset-before-request",
    "retryRemoteLocalities": True,
}

IDEMPOTENT = RETRIES | {"retryOn": RETRIES["retryOn"] + ",gateway-error,reset,unavailable"}

SEED = """
hosts: [exam-service.exam.svc.cluster.local]
http:
  - name: canary
    match: [{headers: {canary-user: {exact: "true"}}}]
    route: [{destination: {host: exam-service.exam.svc.cluster.local, subset: v2}}]
    timeout: 15s
    retries: {attempts: 2, retryOn: "connect-failure,refused-stream,reset-before-request", retryRemoteLocalities: true}
  - name: route-0
    match: [{headers: {user-type: {exact: premium}}}]
    route: [{destination: {host: exam-service.exam.svc.cluster.local, subset: v2}}]
    timeout: 15s
    retries: {attempts: 2, retryOn: "connect-failure,refused-stream,reset-before-request", retryRemoteLocalities: true}
  - name: route-1
    match: [{uri: {exact: /api/v1}}, {uri: {prefix: /api/v1/}}]
    route:
      - {destination: {host: exam-service.exam.svc.cluster.local, subset: v1}, weight: 90}
      - {destination: {host: exam-service.exam.svc.cluster.local, subset: v2}, weight: 10}
    timeout: 5s
    retries:
      attempts: 1
      retryOn: "connect-failure,refused-stream,reset-before-request"
      retryRemoteLocalities: true
      perTryTimeout: 2s
  - name: default
    route:
      - {destination: {host: exam-service.exam.svc.cluster.local, subset: v1}, weight: 75}
      - {destination: {host: exam-service.exam.svc.cluster.local, subset: v2}, weight: 25}
    timeout: 15s
    retries: {attempts: 2, retryOn: "connect-failure,refused-stream,reset-before-request", retryRemoteLocalities: true}
"""


def mesh(folder: Path, **changes: Any) -> Any:
    """The service's VirtualService within the mesh, with one port unless said otherwise."""
    config = stack_config(folder, services=services(**{**ONE_PORT, **changes}))
    return mesh_spec(the(config)[1])


def route(folder: Path, **said: Any) -> Any:
    """The first route, made from this one."""
    return mesh(folder, routes=[said])["http"][0]


def shares(found: Any) -> dict[str, int]:
    """Share of each subset in a route; `*` is every pod."""
    return {to["destination"].get("subset", "*"): to.get("weight", 100) for to in found["route"]}


def test_the_seeds_routes_in_their_right_form(tmp_path: Path) -> None:
    spec = mesh(
        tmp_path,
        canary={"to": "v2", "header": {"canary-user": "true"}, "percent": 25},
        routes=[
            {"match": {"headers": {"user-type": "premium"}}, "version": "v2"},
            {
                "match": {"path": "/api/v1/*"},
                "weights": {"v2": 10, "v1": 90},
                "timeout": "5s",
                "retries": {"attempts": 1, "perTry": "2s"},
            },
        ],
    )
    assert spec == yaml.safe_load(SEED)


def test_a_service_without_a_word_on_routes_goes_to_every_pod(tmp_path: Path) -> None:
    assert mesh(tmp_path)["http"] == [
        {"name": "default", "route": [{"destination": {"host": HOST}}], "timeout": "15s", "retries": RETRIES}
    ]


def test_a_route_for_everything_is_the_last_one(tmp_path: Path) -> None:
    assert [found["name"] for found in mesh(tmp_path, routes=[{"version": "v1"}])["http"]] == ["route-0"]


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, {"v1": 100}), (10, {"v1": 90, "v2": 10}), (50, {"v1": 50, "v2": 50}), (100, {"v2": 100})],
)
def test_a_canary_grows_by_one_number(tmp_path: Path, percent: int, expected: dict[str, int]) -> None:
    spec = mesh(tmp_path, canary={"to": "v2", "percent": percent})
    assert shares(spec["http"][0]) == expected


def test_a_canary_among_three_versions_names_the_stable_one(tmp_path: Path) -> None:
    spec = mesh(tmp_path, versions=["v1", "v2", "v3"], canary={"to": "v3", "from": "v2", "percent": 5})
    assert shares(spec["http"][0]) == {"v2": 95, "v3": 5}


@pytest.mark.parametrize(("active", "idle"), [("blue", "green"), ("green", "blue")])
def test_blue_green_is_switched_by_one_word(tmp_path: Path, active: str, idle: str) -> None:
    preview = {"header": {"deployment-type": "green"}}
    spec = mesh(tmp_path, versions=["blue", "green"], blueGreen={"active": active, "preview": preview})
    first, default = spec["http"]
    assert first["match"] == [{"headers": {"deployment-type": {"exact": "green"}}}]
    assert (shares(first), shares(default)) == ({idle: 100}, {active: 100})


def test_a_route_without_versions_goes_as_all_other_requests(tmp_path: Path) -> None:
    spec = mesh(tmp_path, canary={"to": "v2", "percent": 10}, routes=[{"match": {"path": "/a"}, "timeout": "1s"}])
    assert shares(spec["http"][0]) == {"v1": 90, "v2": 10}
    assert spec["http"][0]["timeout"] == "1s"


def test_each_port_of_several_has_its_own_routes_and_connections_follow(tmp_path: Path) -> None:
    """istioctl refuses to guess the port of a destination that has several (IST0112)."""
    ports = {"tcp": 9000, "grpc": 9090, "http": 8080}
    spec = mesh(tmp_path, ports=ports, canary={"to": "v2", "percent": 10})
    assert [(found["name"], found["match"], found["route"][0]["destination"]["port"]) for found in spec["http"]] == [
        ("default.8080", [{"port": 8080}], {"number": 8080}),
        ("default.9090", [{"port": 9090}], {"number": 9090}),
    ]
    assert [found["match"] for found in spec["tcp"]] == [[{"port": 9000}]]
    assert shares(spec["tcp"][0]) == {"v1": 90, "v2": 10}


def test_connections_without_a_split_need_no_route(tmp_path: Path) -> None:
    assert "tcp" not in mesh(tmp_path, ports={"http": 80, "tcp": 90})


def test_a_tcp_service_is_split_too(tmp_path: Path) -> None:
    spec = mesh(tmp_path, ports={"tcp": 5432}, blueGreen={"active": "v2"})
    assert set(spec) == {"hosts", "tcp"}
    assert shares(spec["tcp"][0]) == {"v2": 100}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"path": "/health"}, [{"uri": {"exact": "/health"}}]),
        ({"path": "/a/*"}, [{"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a/"}}]),
        ({"methods": ["PUT"]}, [{"method": {"exact": "PUT"}}]),
        ({"methods": ["PUT", "GET"]}, [{"method": {"regex": "GET|PUT"}}]),
        (
            {"path": "/a/*", "headers": {"b": "2", "a": "1"}},
            [
                {"uri": {"exact": "/a"}, "headers": {"a": {"exact": "1"}, "b": {"exact": "2"}}},
                {"uri": {"prefix": "/a/"}, "headers": {"a": {"exact": "1"}, "b": {"exact": "2"}}},
            ],
        ),
    ],
)
def test_a_condition_in_istios_form(tmp_path: Path, match: Yaml, expected: Any) -> None:
    assert route(tmp_path, match=match)["match"] == expected


@pytest.mark.parametrize(
    ("said", "retries"),
    [
        ({}, RETRIES),
        ({"match": {"methods": ["GET", "PUT"]}}, IDEMPOTENT),
        ({"match": {"methods": ["GET", "POST"]}}, RETRIES),
        ({"retries": {"attempts": 0}}, {"attempts": 0}),
        ({"retries": {"attempts": 3, "perTry": "1s"}}, RETRIES | {"attempts": 3, "perTryTimeout": "1s"}),
    ],
)
def test_a_request_is_sent_again_only_where_that_is_safe(tmp_path: Path, said: Yaml, retries: Yaml) -> None:
    assert route(tmp_path, **said)["retries"] == retries


def test_a_stream_has_no_time_out_and_no_time_for_each_try(tmp_path: Path) -> None:
    """Istio refuses `0s`; left out it is none."""
    spec = mesh(tmp_path, retries={"perTry": "1s"}, routes=[{"match": {"path": "/live"}, "stream": True}])
    live, default = spec["http"]
    assert "timeout" not in live
    assert "perTryTimeout" not in live["retries"]
    assert (default["timeout"], default["retries"]["perTryTimeout"]) == ("15s", "1s")


def test_a_route_of_a_streaming_service_may_have_a_time_out(tmp_path: Path) -> None:
    spec = mesh(tmp_path, stream=True, routes=[{"match": {"path": "/status"}, "timeout": "2s"}])
    assert [found.get("timeout") for found in spec["http"]] == ["2s", None]


def test_times_below_a_second_are_kept(tmp_path: Path) -> None:
    found = route(tmp_path, timeout="1s500ms", retries={"perTry": "500ms"})
    assert (found["timeout"], found["retries"]["perTryTimeout"]) == ("1.5s", "0.5s")


def test_failures_on_purpose_and_copies(tmp_path: Path) -> None:
    said = {"fault": {"delay": "2s", "abort": 503, "percent": 10}, "mirror": {"to": "exam/shadow", "percent": 50}}
    config = stack_config(tmp_path, services=services(**ONE_PORT, routes=[said]) | {"exam/shadow": PLAIN})
    found = mesh_spec(the(config)[1])["http"][0]
    assert found["fault"] == {
        "delay": {"fixedDelay": "2s", "percentage": {"value": 10}},
        "abort": {"httpStatus": 503, "percentage": {"value": 10}},
    }
    assert found["mirrors"] == [
        {
            "destination": {"host": "shadow.exam.svc.cluster.local", "port": {"number": 8080}},
            "percentage": {"value": 50},
        }
    ]


def public(folder: Path, **said: Yaml) -> Any:
    """The VirtualService of exam-platform.com, shared by these services of the namespace `exam`."""
    config = stack_config(folder, services={f"exam/{name}": PLAIN | service for name, service in said.items()})
    return public_specs(config.platform)["exam-platform.com"]


def test_a_public_host_is_routed_by_the_ingress_alone(tmp_path: Path) -> None:
    spec = public(tmp_path, web={"hosts": ["exam-platform.com"]})
    assert {key: spec[key] for key in ("hosts", "gateways", "exportTo")} == {
        "hosts": ["exam-platform.com"],
        "gateways": ["istio-ingress/ingress"],
        "exportTo": ["."],
    }
    assert [found["name"] for found in spec["http"]] == ["exam/web.default"]


def test_of_two_services_on_one_host_the_narrower_path_comes_first(tmp_path: Path) -> None:
    def at(*paths: str) -> Yaml:
        return {"hosts": [{"host": "exam-platform.com", "paths": list(paths)}]}

    spec = public(tmp_path, web=at("/*"), api=at("/api/*", "/status"), v1=at("/api/v1/*"), exact=at("/api"))
    assert [(found["name"], [m["uri"] for m in found.get("match", [])]) for found in spec["http"]] == [
        ("exam/api.default", [{"exact": "/status"}]),
        ("exam/v1.default", [{"exact": "/api/v1"}, {"prefix": "/api/v1/"}]),
        ("exam/exact.default", [{"exact": "/api"}]),
        # Not `/api` itself, which the route before has whole.
        ("exam/api.default", [{"prefix": "/api/"}]),
        ("exam/web.default", []),
    ]


def test_a_path_itself_stays_with_who_takes_only_some_of_its_requests_before(tmp_path: Path) -> None:
    host = {"host": "exam-platform.com"}
    premium = {"match": {"headers": {"user-type": "premium"}}, "timeout": "5s"}
    exact = {"hosts": [{**host, "paths": ["/api"]}], "routes": [premium]}
    spec = public(tmp_path, exact=exact, api={"hosts": [{**host, "paths": ["/api/*"]}], "routes": [premium]})
    headers = {"headers": {"user-type": {"exact": "premium"}}}
    assert [(found["name"], found["match"]) for found in spec["http"]] == [
        ("exam/exact.route-0", [{"uri": {"exact": "/api"}, **headers}]),
        ("exam/exact.default", [{"uri": {"exact": "/api"}}]),
        ("exam/api.route-0", [{"uri": {"prefix": "/api/"}, **headers}]),
        ("exam/api.default", [{"uri": {"prefix": "/api/"}}]),
    ]


def test_a_route_is_narrowed_to_the_paths_of_its_host(tmp_path: Path) -> None:
    web = {
        "versions": ["v1", "v2"],
        "hosts": [{"host": "exam-platform.com", "paths": ["/exam/*"]}],
        "routes": [
            {"match": {"path": "/exam/v2/*"}, "version": "v2"},
            {"match": {"path": "/admin/*"}, "version": "v1"},
            {"match": {"headers": {"user-type": "premium"}}, "version": "v2"},
        ],
    }
    spec = public(tmp_path, web=web, rest={"hosts": ["exam-platform.com"]})
    assert [(found["name"], found.get("match", [{}])[-1].get("uri")) for found in spec["http"]] == [
        ("exam/web.route-0", {"prefix": "/exam/v2/"}),
        ("exam/web.route-2", {"prefix": "/exam/"}),
        ("exam/web.default", {"prefix": "/exam/"}),
        ("exam/rest.default", None),
    ]


def test_the_ingress_sends_to_the_port_that_is_named_or_known(tmp_path: Path) -> None:
    ports = {"http": 8080, "http-control": 8081}
    spec = public(tmp_path, web={"ports": ports, "hosts": [{"host": "exam-platform.com", "port": "http-control"}]})
    assert spec["http"][0]["route"][0]["destination"]["port"] == {"number": 8081}
    spec = public(tmp_path, web={"ports": ports, "hosts": ["exam-platform.com"]})
    assert spec["http"][0]["route"][0]["destination"]["port"] == {"number": 8080}


def test_the_ingress_names_the_port_of_a_service_with_one_too(tmp_path: Path) -> None:
    # Its Service may have more than the stack declares, and the ingress would look for its own port among them: 503.
    spec = public(tmp_path, web={"ports": {"http": 8080}, "hosts": ["exam-platform.com"]})
    assert spec["http"][0]["route"] == [
        {"destination": {"host": "web.exam.svc.cluster.local", "port": {"number": 8080}}}
    ]


def test_a_wildcards_name_is_none_of_a_host() -> None:
    assert public_route("*.exam-platform.com") == "wildcard.exam-platform.com"
    assert public_route("exam-platform.com") == "exam-platform.com"


def test_a_route_that_another_services_path_takes_is_left_out(tmp_path: Path) -> None:
    api = {"hosts": [{"host": "exam-platform.com", "paths": ["/api/*"]}]}
    web = {"hosts": ["exam-platform.com"], "routes": [{"match": {"path": "/api/v1/*"}, "timeout": "1s"}]}
    assert [found["name"] for found in public(tmp_path, api=api, web=web)["http"]] == [
        "exam/api.default",
        "exam/web.default",
    ]
