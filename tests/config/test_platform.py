"""What follows from all services together: who calls whom, and what is where."""

from pathlib import Path
from typing import Any

import pytest

from components.config.names import path_covers, path_meet
from components.config.platform import Platform, Service
from tests.builders import Yaml, stack_config
from tests.services import PLAIN, services


def platform(folder: Path, said: Yaml, **changes: Any) -> Platform:
    return stack_config(folder, services=said, **changes).platform


def keys(found: tuple[Service, ...]) -> list[str]:
    return [service.key for service in found]


def test_a_service_has_names_of_its_own_by_default(tmp_path: Path) -> None:
    service = platform(tmp_path, services()).services["exam/exam-service"]
    assert (service.namespace, service.name) == ("exam", "exam-service")
    assert service.host == "exam-service.exam.svc.cluster.local"
    assert (service.account, service.selector) == ("exam-service", {"app": "exam-service"})


def test_a_service_is_where_it_runs_and_where_it_is_called_from(tmp_path: Path) -> None:
    said = {
        "exam/west": PLAIN | {"regions": ["usw2"], "callers": ["exam/east"]},
        "exam/east": PLAIN | {"regions": ["use1"]},
        "alone/west": PLAIN | {"regions": ["usw2"]},
    }
    found = platform(tmp_path, said, gateways={})
    assert keys(found.present("use1")) == ["exam/east", "exam/west"]
    assert keys(found.present("usw2")) == ["alone/west", "exam/west"]
    assert keys(found.stubs("use1")) == ["exam/west"]
    assert keys(found.stubs("usw2")) == []
    assert found.namespaces("use1") == ("exam",), "nothing of `alone` is there"


def test_the_ingress_calls_a_service_from_every_region(tmp_path: Path) -> None:
    found = platform(tmp_path, {"exam/web": PLAIN | {"regions": ["usw2"], "hosts": ["exam-platform.com"]}})
    assert keys(found.stubs("use1")) == ["exam/web"]
    assert found.behind_ingress(found.services["exam/web"])


def test_who_calls_a_service_calls_its_mirror(tmp_path: Path) -> None:
    """A copy is sent by the caller's proxy, as the caller."""
    said = services(ports={"http": 8080}, routes=[{"mirror": {"to": "exam/shadow"}}]) | {
        "exam/shadow": PLAIN,
        "exam/web-frontend": PLAIN | {"hosts": ["exam-platform.com"], "routes": [{"mirror": {"to": "exam/shadow"}}]},
    }
    found = platform(tmp_path, said)
    shadow = found.services["exam/shadow"]
    assert keys(found.callers(shadow)) == ["exam/web-frontend"]
    assert found.behind_ingress(shadow)
    assert keys(found.called_by(found.services["exam/web-frontend"])) == ["exam/exam-service", "exam/shadow"]


def test_a_namespace_of_an_exception_is_in_every_region_once_a_service_is_declared_in_it(tmp_path: Path) -> None:
    security = {"permissive": [{"namespace": "old", "workload": {"app": "a"}, "ports": [1]}]}
    assert platform(tmp_path, {}, security=security).namespaces("use1") == ()
    there = {"old/store": {"ports": {"http": 80}, "regions": ["usw2"]}}
    assert platform(tmp_path, there, security=security, gateways={}).namespaces("use1") == ("old",)
    elsewhere = {"new/store": {"ports": {"http": 80}, "regions": ["usw2"]}}
    assert platform(tmp_path, elsewhere, security=security, gateways={}).namespaces("use1") == ()


@pytest.mark.parametrize(
    ("one", "other", "meeting"),
    [
        ("/*", "/a/*", "/a/*"),
        ("/a/*", "/a", "/a"),
        ("/a/*", "/a/b/*", "/a/b/*"),
        ("/a/b", "/a/*", "/a/b"),
        ("/a/*", "/administer", None),
        ("/a", "/b", None),
        ("/a", "/a/*", "/a"),
    ],
)
def test_two_paths_meet_in_the_narrower_one_or_nowhere(one: str, other: str, meeting: str | None) -> None:
    assert path_meet(one, other) == meeting
    assert path_meet(other, one) == meeting
    assert meeting is None or (path_covers(one, meeting) and path_covers(other, meeting))
