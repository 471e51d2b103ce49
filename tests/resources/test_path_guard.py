"""Other spellings of closed paths are refused, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config.names import path_covers
from components.resources.path_guard import guard_filter, refuses

CLOSED, PUBLIC = ["/admin/*", "/api/v1/secret"], ["/health", "/api/V1/secret/about"]


@pytest.mark.parametrize(
    "path",
    [
        "/Admin", "/ADMIN/users", "/admin;x=1", "/admin;x=1/users", "/admin%3bx/users", "/aDmin%3B/",
        "/open/..;/admin", "/open/.;x=1/admin", "/open/..%3B/admin",
        "/;/admin", "/;x=1/admin", "/open/%3B/../admin",
        "/api/v1/SECRET", "/api;a/v1;b/secret", "/api/v1/secret/",
    ],
)  # fmt: skip
def test_what_a_lax_server_takes_for_a_closed_path_is_refused(path: str) -> None:
    assert refuses(CLOSED, PUBLIC, path)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/admin", "/admin/", "/admin/users", "/admin/Users;x=1", "/administer", "/Administer", "/user/admin",
        "/health", "/Health", "/api/v1/secret", "/api/v1/secrets", "/api/v1/secret/more", "/api/V1/secret/about",
        "/a..b", "/open;x=1/file", "/...",
    ],
)  # fmt: skip
def test_what_is_itself_or_something_else_is_left_to_the_policies(path: str) -> None:
    assert not refuses(CLOSED, PUBLIC, path)


def test_two_closed_paths_may_differ_in_case_alone() -> None:
    assert not refuses(["/admin/*", "/Admin/*"], [], "/Admin/x")
    assert not refuses(["/admin/*", "/Admin/*"], [], "/admin/x")
    assert refuses(["/admin/*", "/Admin/*"], [], "/ADMIN/x")


def test_a_role_on_every_path_does_not_hide_another_spelling_of_a_narrower_one() -> None:
    assert refuses(["/*", "/admin/*"], [], "/Admin")


def test_without_closed_paths_there_is_no_filter() -> None:
    assert guard_filter([], ["/health"]) is None
    assert not refuses([], [], "/a/..;/b")


def test_the_filter_is_envoys_own_and_denies() -> None:
    found = guard_filter(["/admin/*"], ["/health"])
    assert found is not None
    assert found == {
        "name": "istio-mesh.path-guard",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {
                "action": "DENY",
                "policies": {
                    "empty-or-dot-segment-with-parameters": {
                        "permissions": [_path(r"(?i).*/\.{0,2}(?:;|%3b).*")],
                        "principals": [{"any": True}],
                    },
                    "other-spelling-of-/admin/*": {
                        "permissions": [
                            {
                                "and_rules": {
                                    "rules": [
                                        _path(r"(?i)/admin(?:(?:;|%3b)[^/]*)?(?:/.*)?"),
                                        {"not_rule": _path(r"/admin(?:/.*)?")},
                                    ]
                                }
                            }
                        ],
                        "principals": [{"any": True}],
                    },
                },
            },
        },
    }


def _path(regex: str) -> dict[str, object]:
    return {"url_path": {"path": {"safe_regex": {"regex": regex}}}}


_SEGMENTS = st.text("abAB1-_~.", min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))
_PATHS = st.lists(_SEGMENTS, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(_PATHS, st.booleans(), _PATHS)
def test_a_closed_path_itself_is_never_refused(base: str, below: bool, path: str) -> None:
    pattern = f"{base}/*" if below else base
    assert not refuses([pattern], [], base)
    if path_covers(pattern, path):
        assert not refuses([pattern], [], path)
    elif path_covers(pattern.lower(), path.lower()):
        assert refuses([pattern], [], path)
