"""Tokens: who signed them, for whom, for how long, with which role; and paths that are written in other ways."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import pytest

from lab.waiting import wait_for
from tests.lab.support.inside import Entrance, Insider
from tests.lab.support.issuer import Issuer, issuers, new_keys, together, wait_until_known
from tests.lab.support.site import EXAM, PUBLIC, PUBLIC_API, WEB, Site, host_of, url_of
from tests.lab.support.tls import Knock, knock
from tests.lab.support.traffic import Load

GUARDED = "guarded"  # see tests/lab/stage/access.yaml
ADMIN_SERVICE = host_of("admin-service", EXAM)
VAULT = host_of("vault", GUARDED)
VERIFYING = (
    (EXAM, "deploy/admin-service"),
    (EXAM, "deploy/api-service-stable"),
    (EXAM, "deploy/api-service-canary"),
    (GUARDED, "deploy/vault"),
)
ADMIN = {"roles": ["admin"]}
USER = {"roles": ["user"]}
DRAINED = 60.0  # seconds for a connection to be drained; Istio's default is 45
AT_ONCE = 6  # requests at a time: the machine has two cores


@pytest.fixture(scope="module")
def copies(sites: Mapping[str, Site]) -> Generator[Mapping[str, Issuer]]:
    """The issuer of each region; its keys are known to all proxies that verify with them."""
    with issuers(sites) as found:
        _known_everywhere(sites, next(iter(found.values())).published())
        yield found


def _known_everywhere(sites: Mapping[str, Site], ids: Sequence[str], *, gone: Sequence[str] = ()) -> None:
    for site in sites.values():
        for namespace, workload in VERIFYING:
            wait_until_known(site, namespace, workload, ids, gone=gone)


@pytest.fixture(scope="module")
def insiders(
    sites: Mapping[str, Site], trust_domain: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[tuple[str, str], Insider]:
    """The declared callers of both services, as each region sees those of another: by (region, service)."""
    folder = tmp_path_factory.mktemp("insiders")
    accounts = {ADMIN_SERVICE: f"{EXAM}/sa/web-frontend", VAULT: f"{GUARDED}/sa/caller"}
    found: dict[tuple[str, str], Insider] = {}
    for site in sites.values():
        other = next(each for each in sites.values() if each is not site)
        for host, account in accounts.items():
            found[site.name, host] = Entrance.of(site, other, folder).insider(f"spiffe://{trust_domain}/ns/{account}")
    return found


@dataclass(frozen=True)
class Said:
    """What came back.

    :ivar service: that answered, empty where a proxy did.
    :ivar path: that it saw.
    """

    status: int
    service: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def by(cls, answer: Knock) -> Said:
        assert answer.status is not None, f"no answer: {answer.reached} {answer.error}"
        try:
            echo = answer.json
            return cls(answer.status, echo["service"], echo["path"], echo["headers"])
        except (ValueError, KeyError, TypeError):
            return cls(answer.status)


Send = Callable[[str, str], Said]
"""Sends a path with a token (empty: none)."""


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def _by_ingress(address: str, host: str) -> Send:
    return lambda path, token: Said.by(knock(address, 443, sni=host, path=path, headers=_bearer(token)))


def _by_insider(insider: Insider, host: str) -> Send:
    return lambda path, token: Said.by(insider.get(host, path, headers=_bearer(token)))


def _by_pod(site: Site, namespace: str, workload: str, host: str) -> Send:
    caller = site.caller(namespace, workload)

    def send(path: str, token: str) -> Said:
        answer = caller.get(f"http://{host}:8080{path}", headers=_bearer(token))
        assert answer.status, f"no answer: {answer.error}"
        echo = answer.echo
        return Said(answer.status, echo.get("service", ""), echo.get("path", ""), echo.get("headers", {}))

    return send


@dataclass(frozen=True)
class Way:
    """A way to a service, with the paths that it has there; `""` where the way does not lead to one."""

    send: Send
    service: str
    protected: str
    health: str
    admin: str

    @property
    def paths(self) -> tuple[str, str, str]:
        return self.protected, self.health, self.admin


def _ways(home: Site, insiders: Mapping[tuple[str, str], Insider]) -> dict[str, Way]:
    address = home.ingress_address()
    plain = ("/exams", "/health", "/admin/users")
    below = ("/guarded/exams", "/guarded/health", "/guarded/admin/users")
    return {
        "pod": Way(_by_pod(home, EXAM, WEB, ADMIN_SERVICE), "admin-service", *plain),
        "other region": Way(
            _by_insider(insiders[home.name, ADMIN_SERVICE], ADMIN_SERVICE), "admin-service", *plain
        ),
        "ingress": Way(_by_ingress(address, PUBLIC), "vault", *below),
        # The platform publishes the admin paths alone of this service.
        "ingress, admin": Way(
            _by_ingress(address, PUBLIC_API), "admin-service", "", "", "/admin/users"
        ),
    }  # fmt: skip


# Status on a protected, a health and an admin path. A token that does not pass is refused on each, also where none is
# needed; Envoy says 403 of a wrong audience, and 401 of all else.
EXPECTED: Mapping[str, tuple[int, int, int]] = {
    "none": (403, 200, 403),
    "malformed": (401, 401, 401),
    "wrong issuer": (401, 401, 401),
    "wrong audience": (403, 403, 403),
    "no audience": (403, 403, 403),
    "expired": (401, 401, 401),
    "not yet valid": (401, 401, 401),
    "alg none": (401, 401, 401),
    "key unknown": (401, 401, 401),
    "foreign key under a known id": (401, 401, 401),
    "altered signature": (401, 401, 401),
    "no signature": (401, 401, 401),
    "HS256 with the public key": (401, 401, 401),
    "right, without the role": (200, 200, 403),
    "right": (200, 200, 200),
    "right, ES256": (200, 200, 200),
}


def _tokens(issuer: Issuer) -> dict[str, str]:
    """One of each kind; all of them but one say that their subject is an admin."""
    return {
        "none": "",
        "malformed": "not.a-token",
        "wrong issuer": issuer.token(claims={**ADMIN, "iss": "https://elsewhere.example.com"}),
        "wrong audience": issuer.token(claims={**ADMIN, "aud": "another-platform"}),
        "no audience": issuer.token(claims={**ADMIN, "aud": None}),
        "expired": issuer.token(claims=ADMIN, expires_in="-1h"),
        "not yet valid": issuer.token(claims={**ADMIN, "nbf": int(time.time()) + 1800}),
        "alg none": issuer.token(claims=ADMIN, alg="none"),
        "key unknown": issuer.token(claims=ADMIN, kid="unknown", signature="foreign"),
        "foreign key under a known id": issuer.token(claims=ADMIN, signature="foreign"),
        "altered signature": issuer.token(claims=ADMIN, signature="bad"),
        "no signature": issuer.token(claims=ADMIN, signature="missing"),
        "HS256 with the public key": issuer.token(claims=ADMIN, alg="HS256"),
        "right, without the role": issuer.token(claims=USER),
        "right": issuer.token(claims=ADMIN),
        "right, ES256": issuer.token(claims=ADMIN, alg="ES256"),
    }


@pytest.mark.proof("F2", "each token on a protected, a health and an admin path, from inside and through the ingress")
def test_each_token_is_answered_as_it_deserves(
    home: Site,
    copies: Mapping[str, Issuer],
    insiders: Mapping[tuple[str, str], Insider],
    record: Callable[..., None],
) -> None:
    tokens = _tokens(copies[home.name])
    assert set(tokens) == set(EXPECTED)
    asked = [
        (kind, name, way, path, status)
        for kind, statuses in EXPECTED.items()
        for name, way in _ways(home, insiders).items()
        for path, status in zip(way.paths, statuses, strict=True)
        if path
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(lambda each: each[2].send(each[3], tokens[each[0]]), asked))
    wrong: list[str] = []
    for (kind, name, way, path, status), answer in zip(asked, said, strict=True):
        where = f"{kind}, {name}, {path}"
        if answer.status != status:
            wrong.append(f"{where}: {answer.status}, not {status}")
        elif status == 200 and (answer.service, answer.path) != (way.service, path):
            wrong.append(f"{where}: answered by {answer.service} as {answer.path}")
        elif status == 200 and "authorization" in answer.headers:
            wrong.append(f"{where}: the application got the token")
    record(
        requests=len(asked),
        wrong=len(wrong),
        tokens=len(tokens),
        statuses=dict(sorted(Counter(str(answer.status) for answer in said).items())),
    )
    assert not wrong, "\n".join(wrong)


@dataclass
class Answers:
    """What a stream of requests, each with a token made for it, was answered: (id of the key, status)."""

    name: str
    seen: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    problems: list[str] = field(default_factory=list[str])

    def by(self, ids: Sequence[str]) -> int:
        """Answers to tokens that one of these keys signed."""
        return sum(kid in ids for kid, _ in list(self.seen))

    @property
    def refused(self) -> int:
        return sum(status != 200 for _, status in self.seen)


def _key_of(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


def _stream(answers: Answers, issuer: Issuer, send: Send, path: str, over: threading.Event) -> None:
    """Ten requests a second until ``over``, with keys of both algorithms in turn."""
    while not over.wait(0.1):
        try:
            token = issuer.token(claims=ADMIN, alg="ES256" if len(answers.seen) % 2 else "RS256")
            answers.seen.append((_key_of(token), send(path, token).status))
        except Exception as problem:
            answers.problems.append(f"{type(problem).__name__}: {problem}")


@contextmanager
def _holding(sites: Mapping[str, Site], tokens: Mapping[str, str]) -> Generator[list[Load]]:
    """A load from a pod of each region, whose token stays the same."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                site.caller(EXAM, WEB).load(
                    url_of("admin-service", EXAM, "/admin/users"), rate=10, headers=_bearer(tokens[name])
                )
            )
            for name, site in sites.items()
        ]


def _answered(streams: Sequence[Answers], ids: Sequence[str], count: int) -> None:
    """Returns when each stream has so many answers to tokens of these keys."""
    wait_for(
        lambda: all(stream.by(ids) >= count for stream in streams),
        deadline=60,
        what=f"{count} answers to tokens of new keys in each stream",
    )


# Claims that are the admin's, and claims that only look like it.
ROLES: Mapping[str, tuple[dict[str, object], bool]] = {
    "a list": ({"roles": ["admin"]}, True),
    "one of several": ({"roles": ["user", "admin"]}, True),
    "a text": ({"roles": "admin"}, True),
    "none": ({}, False),
    "an empty list": ({"roles": []}, False),
    "another": ({"roles": ["user"]}, False),
    "another case": ({"roles": ["Admin"]}, False),
    "a longer one": ({"roles": ["administrator", "admin2", "sadmin"]}, False),
    "a wildcard": ({"roles": ["*", "admin*"]}, False),
    "another claim": ({"role": ["admin"], "groups": ["admin"], "scope": "admin"}, False),
    "nested": ({"roles": {"admin": True}, "realm_access": {"roles": ["admin"]}}, False),
}


@pytest.mark.proof("F3", "the role admin alone opens admin paths")
def test_the_role_alone_opens_admin_paths(
    home: Site,
    copies: Mapping[str, Issuer],
    insiders: Mapping[tuple[str, str], Insider],
    record: Callable[..., None],
) -> None:
    issuer = copies[home.name]
    tokens = {name: issuer.token(claims={"roles": None, **claims}) for name, (claims, _) in ROLES.items()}
    ways = {name: way for name, way in _ways(home, insiders).items() if name != "pod"}
    asked = [(name, way) for name in ROLES for way in ways]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(lambda each: ways[each[1]].send(ways[each[1]].admin, tokens[each[0]]).status, asked))
    wrong = [
        f"{name}, {way}: {status}"
        for (name, way), status in zip(asked, said, strict=True)
        if status != (200 if ROLES[name][1] else 403)
    ]
    record(requests=len(asked), wrong=len(wrong), claims=len(ROLES))
    assert not wrong, "\n".join(wrong)


@dataclass(frozen=True)
class Spelling:
    """A way to write a path.

    :ivar path: with `{root}` for what stands before the service's own paths.
    :ivar seen: as the server sees it with the role; empty where it is refused with it too.
    :ivar status: with the role.
    :ivar admin: whether it is an admin path, so that it is refused without the role.
    :ivar twice: as the server sees it with the role where a second proxy, the ingress, has normalised the path before;
        empty where that is no different.
    """

    path: str
    seen: str = "{root}/admin/users"
    status: int = 200
    admin: bool = True
    twice: str = ""

    def by(self, way: str) -> Spelling:
        """As it is on this way."""
        return replace(self, seen=self.twice, status=200) if self.twice and way.startswith("ingress") else self


REFUSED = {"seen": "", "status": 403}  # what only a lax server takes for an admin path
MALFORMED = {"seen": "", "status": 400}  # what is no path at all
SPELLINGS = (
    Spelling("{root}/admin/users"),
    Spelling("{root}/admin", "{root}/admin"),
    Spelling("{root}/admin/", "{root}/admin/"),
    Spelling("{root}/admin?x=1", "{root}/admin"),
    Spelling("{root}/admin/users?next={root}/health"),
    Spelling("{root}/admin/users?"),
    Spelling("{root}/admin/users;x=1", "{root}/admin/users;x=1"),
    # Slashes.
    Spelling("{root}//admin/users"),
    Spelling("{root}/admin//users"),
    Spelling("//{bare}admin///users"),
    Spelling("{root}/admin//", "{root}/admin/"),
    Spelling("{root}/admin%2Fusers"),
    Spelling("{root}/admin%2fusers"),
    Spelling("{root}/%2Fadmin/users"),
    Spelling("{root}/%2f%2Fadmin/users"),
    Spelling("{root}/\\admin\\users"),
    Spelling("{root}/admin%5Cusers"),
    Spelling("{root}/admin%5cusers"),
    # Letters.
    Spelling("{root}/%61dmin/users"),
    Spelling("{root}/%61%64%6d%69%6e/users"),
    Spelling("{root}/%61%64%6D%69%6E%2Fusers"),
    Spelling("{root}/admi%6e", "{root}/admin"),
    # Dots.
    Spelling("{root}/./admin/users"),
    Spelling("{root}/x/../admin/users"),
    Spelling("{root}/health/../admin/users"),
    Spelling("{root}/health/x/../../admin/users"),
    Spelling("{root}/%2e/admin/users"),
    Spelling("{root}/x/%2e%2e/admin/users"),
    Spelling("{root}/x/%2E./admin/users"),
    Spelling("{root}/x/..%2Fadmin/users"),
    Spelling("{root}/x%2f..%2fadmin%2fusers"),
    Spelling("{root}/x/..\\admin\\users"),
    Spelling("{root}/x/..%5cadmin/users"),
    Spelling("{root}/admin/x/../users"),
    Spelling("{root}/admin/./users"),
    Spelling("{root}/admin/x/..", "{root}/admin/"),
    # Case.
    Spelling("{root}/Admin/users", **REFUSED),
    Spelling("{root}/ADMIN", **REFUSED),
    Spelling("{root}/%41dmin/users", **REFUSED),
    Spelling("{root}//aDmIn%2Fusers", **REFUSED),
    # Parameters.
    Spelling("{root}/admin;x=1/users", **REFUSED),
    Spelling("{root}/admin;/users", **REFUSED),
    Spelling("{root}/admin%3bx=1/users", **REFUSED),
    Spelling("{root}/admin;", **REFUSED),
    # Envoy takes a dot segment with parameters out itself; an encoded one where two proxies are on the way.
    Spelling("{root}/x/..;/admin/users"),
    Spelling("{root}/.;/admin/users"),
    Spelling("{root}/x/%2e%2e;x=1/admin/users", **REFUSED, twice="{root}/admin/users"),
    Spelling("{root}/x/..%3B/admin/users", **REFUSED),
    Spelling("{root}/;/admin/users", **REFUSED),
    Spelling("{root}/;x=1/admin/users", **REFUSED),
    # A fragment is no part of the path, and is taken off. (Envoy refuses a path with a NUL.)
    Spelling("{root}/admin/users#{root}/health"),
    Spelling("{root}/health#/../admin/users", "{root}/health", admin=False),
    Spelling("{root}/admin%00/users", **MALFORMED),
    # A server that decodes once sees no admin path behind these, and gets them.
    Spelling("{root}/%2561dmin/users", "{root}/%61dmin/users", admin=False),
    Spelling("{root}/x/%252e%252e/admin/users", "{root}/x/%2e%2e/admin/users", admin=False),
    Spelling("{root}/admin%252Fusers", "{root}/admin%2Fusers", admin=False),
    Spelling("{root}/administer", "{root}/administer", admin=False),
)  # fmt: skip


# Those that a pod sends too, through its own proxy: an exec takes long, and few clients send the others.
FROM_PODS = frozenset(
    {
        *("{root}/admin/users", "{root}//admin/users", "{root}/admin%2Fusers", "{root}/%61dmin/users"),
        *("{root}/x/../admin/users", "{root}/Admin/users", "{root}/admin;x=1/users", "{root}/%2561dmin/users"),
    }
)


def _is_admin(path: str, root: str) -> bool:
    """Whether a server that is lax in every way takes a path that it has decoded for an admin path."""
    segments: list[str] = []
    for segment in path.lower().replace("\\", "/").split("/"):
        name = segment.partition(";")[0]
        if name == "..":
            segments = segments[:-1]
        elif name not in ("", "."):
            segments.append(name)
    return f"{'/'.join(['', *segments])}/".startswith(f"{root}/admin/")


@pytest.mark.proof("F3", "no spelling of an admin path gets around the role, from inside or through the ingress")
def test_no_spelling_gets_around_the_role(
    home: Site,
    copies: Mapping[str, Issuer],
    insiders: Mapping[tuple[str, str], Insider],
    record: Callable[..., None],
) -> None:
    address = home.ingress_address()
    tokens = {role: copies[home.name].token(claims={"roles": [role]}) for role in ("user", "admin")}
    ways: dict[str, tuple[Send, str, str]] = {
        "pod": (_by_pod(home, EXAM, WEB, ADMIN_SERVICE), "admin-service", ""),
        "inside": (_by_insider(insiders[home.name, ADMIN_SERVICE], ADMIN_SERVICE), "admin-service", ""),
        "inside, vault": (_by_insider(insiders[home.name, VAULT], VAULT), "vault", "/guarded"),
        "ingress": (_by_ingress(address, PUBLIC), "vault", "/guarded"),
        "ingress, admin": (_by_ingress(address, PUBLIC_API), "admin-service", ""),
    }
    asked = [
        (spelling.by(way), way, role)
        for spelling in SPELLINGS
        for way in ways
        for role in tokens
        # Of this host the platform gives this service the admin paths; what is none goes to another.
        if way != "ingress, admin" or (spelling.status, spelling.admin) == (200, True)
        if way != "pod" or spelling.path in FROM_PODS
    ]

    def send(each: tuple[Spelling, str, str]) -> Said:
        spelling, way, role = each
        path = spelling.path.format(root=ways[way][2], bare=f"{ways[way][2]}/".removeprefix("/"))
        return ways[way][0](path, tokens[role])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(send, asked))
    passed: list[str] = []
    wrong: list[str] = []
    for (spelling, way, role), answer in zip(asked, said, strict=True):
        _, service, root = ways[way]
        where = f"{spelling.path}, {way}, {role}"
        if role == "user" and answer.status == 200 and _is_admin(answer.path, root):
            passed.append(f"{where}: answered by {answer.service} as {answer.path}")
        if spelling.status == 200 and (role == "admin" or not spelling.admin):
            expected = Said(200, service, spelling.seen.format(root=root))
        else:
            expected = Said(403 if spelling.status == 200 else spelling.status)
        if (answer.status, answer.service, answer.path) != (expected.status, expected.service, expected.path):
            wrong.append(f"{where}: {answer.status} {answer.service} {answer.path}, expected {expected.status}")
    record(
        requests=len(asked),
        spellings=len(SPELLINGS),
        without_the_role=sum(role == "user" for _, _, role in asked),
        passed_without_the_role=len(passed),
        wrong=len(wrong),
        admin_paths_with_the_role=sum(
            role == "admin" and answer.status == 200 and spelling.admin
            for (spelling, _, role), answer in zip(asked, said, strict=True)
        ),
    )
    assert not passed, "\n".join(passed)
    assert not wrong, "\n".join(wrong)


def _once_refused(send: Send, token: str) -> int:
    """The status of the first refusal of a token: a connection from before keeps its keys until it is drained."""

    def refused() -> int | None:
        status = send("/admin/users", token).status
        return None if status == 200 else status

    return wait_for(refused, deadline=DRAINED, what="the old token to be refused")


# The last one: a connection from before keeps the keys that it began with until it is drained, up to 45 s later.
@pytest.mark.proof(
    "F2", "the issuer rotates its keys under load: no fresh token is refused, old ones once the key goes"
)
def test_a_rotation_of_keys_is_not_noticed(
    sites: Mapping[str, Site],
    copies: Mapping[str, Issuer],
    insiders: Mapping[tuple[str, str], Insider],
    record: Callable[..., None],
) -> None:
    before = {name: issuer.private_keys() for name, issuer in copies.items()}
    old = sorted({kid for issuer in copies.values() for kid in issuer.published()})
    added = new_keys()
    held = {name: issuer.token(claims=ADMIN) for name, issuer in copies.items()}
    streams: list[Answers] = []
    over = threading.Event()
    seconds: dict[str, float] = {}
    with ThreadPoolExecutor(len(sites) * 2) as pool:
        try:
            for name, site in sites.items():
                for way, send in {
                    "inside": _by_insider(insiders[name, ADMIN_SERVICE], ADMIN_SERVICE),
                    "ingress": _by_ingress(site.ingress_address(), PUBLIC_API),
                }.items():
                    streams.append(Answers(f"{name}, {way}"))
                    pool.submit(_stream, streams[-1], copies[name], send, "/admin/users", over)
            with _holding(sites, held) as loads:
                # An issuer publishes a key before it signs with it.
                started = time.monotonic()
                for name, issuer in copies.items():
                    fresh = issuer.publish(together(before[name], added))[-len(added) :]
                _known_everywhere(sites, [*old, *fresh])
                seconds["published_s"] = round(time.monotonic() - started, 1)
                assert all(stream.by(fresh) == 0 for stream in streams), "the new key signed before it was known"
                for name, issuer in copies.items():
                    issuer.publish(together(added, before[name]))
                _answered(streams, fresh, 20)
            started = time.monotonic()
            for issuer in copies.values():
                issuer.publish(added)
            _known_everywhere(sites, fresh, gone=old)
            seconds["withdrawn_s"] = round(time.monotonic() - started, 1)
            _answered(streams, fresh, max(stream.by(fresh) for stream in streams) + 10)
        finally:
            over.set()
    late: dict[str, int] = {}
    for name, site in sites.items():
        late[name] = _once_refused(_by_ingress(site.ingress_address(), PUBLIC_API), held[name])
    record(
        **seconds,
        fresh={stream.name: len(stream.seen) for stream in streams},
        refused=sum(stream.refused for stream in streams),
        with_the_new_key=sum(stream.by(fresh) for stream in streams),
        old_token_before={name: load.figures for name, load in zip(sites, loads, strict=True)},
        old_token_after=late,
    )
    assert [problem for stream in streams for problem in stream.problems] == []
    assert [(stream.name, stream.refused) for stream in streams if stream.refused] == []
    for load in loads:
        assert load.failed == 0, f"an old token was refused while its key was published: {load.figures}"
    assert set(late.values()) == {401}, f"an old token passes though its key is gone: {late}"
