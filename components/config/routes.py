"""The routes of a service: which requests go to which version, and on what terms."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from components.config import defaults
from components.config.faults import Fault
from components.config.model import Model
from components.config.names import HeaderName, PathPattern, ServiceName, VersionName, path_covers
from components.config.values import ShortDuration
from components.config.workload import Percent

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]

Share = Annotated[int, Field(ge=0, le=100)]
"""A share in percent; 0 is none."""

Headers = Annotated[dict[HeaderName, Annotated[str, Field(min_length=1)]], Field(min_length=1)]
"""Headers with the exact values that a request must have, all of them."""


class MatchConfig(Model):
    """Which requests: those that have all that is named here."""

    path: Annotated[PathPattern, Field(examples=["/api/v1/*"])] | None = None
    """One path, or with `/*` at its end a path and all below it; default: every path."""

    headers: Annotated[Headers, Field(examples=[{"user-type": "premium"}])] | None = None
    """Headers with their exact values; default: any."""

    methods: Annotated[tuple[Method, ...], Field(min_length=1, examples=[["GET"]])] | None = None
    """Methods; default: all."""

    def faults(self) -> Iterator[Fault]:
        if self.path is None and self.headers is None and self.methods is None:
            yield Fault(
                "it names nothing",
                "It looks like a condition and is none",
                "Add `path`, `headers` or `methods`, or leave `match` out for every request",
            )
        for index, method in enumerate(self.methods or ()):
            if method in (self.methods or ())[:index]:
                yield Fault(f"{method} is named twice", "One of them is a mistake", "Name it once", ("methods", index))

    def covers(self, other: "MatchConfig") -> bool:
        """Whether every request that `other` takes is taken by this one."""
        return (
            path_covers(self.path or "/*", other.path or "/*")
            and (self.headers or {}).items() <= (other.headers or {}).items()
            and (self.methods is None or (other.methods is not None and set(other.methods) <= set(self.methods)))
        )


EVERYTHING = MatchConfig.model_construct(path=None, headers=None, methods=None)
"""The condition of a route without `match`."""


def match_of(headers: Mapping[str, str]) -> MatchConfig:
    """The condition of requests with these headers."""
    return MatchConfig.model_construct(path=None, headers=dict(headers), methods=None)


class RetriesConfig(Model):
    """Whether a request that failed is sent again, to another endpoint.

    Only one that cannot have reached the application, unless all of the route's methods may be done twice
    (RFC 9110: GET, HEAD, OPTIONS, TRACE, PUT, DELETE): those also after 502, 503, 504 and a broken connection.
    """

    attempts: Annotated[int, Field(ge=0, le=10)] = defaults.RETRY_ATTEMPTS
    """Tries after the first one, 0 for none; default 2."""

    per_try: Annotated[ShortDuration, Field(examples=["500ms"])] | None = None
    """Time of each try; default: all the time that is left."""

    def faults(self) -> Iterator[Fault]:
        if self.attempts == 0 and self.per_try is not None:
            yield Fault(
                "a time for each try, and no second try",
                "It would be a time-out in disguise",
                "Set `timeout` of the route, or raise `attempts`",
                ("perTry",),
            )


class FaultConfig(Model):
    """Failures made on purpose, to see how callers bear them."""

    delay: Annotated[ShortDuration, Field(examples=["2s"])] | None = None
    """Time that requests are held back."""

    abort: Annotated[int, Field(ge=400, le=599, examples=[503])] | None = None
    """Status that requests are answered with, without reaching the service."""

    percent: Annotated[Percent, Field(examples=[5])]
    """Share of the requests, in percent."""

    def faults(self) -> Iterator[Fault]:
        if self.delay is None and self.abort is None:
            yield Fault("neither `delay` nor `abort` is given", "Nothing would happen", "Add one of them")


class MirrorConfig(Model):
    """A copy of requests for another service, whose answers nobody waits for."""

    to: Annotated[ServiceName, Field(examples=["exam/exam-shadow"])]
    """The service that gets the copies; it has the same HTTP ports."""

    percent: Percent = 100
    """Share of the requests, in percent; default 100."""


class RouteConfig(Model):
    """Requests, where they go, and on what terms."""

    match: MatchConfig | None = None
    """Which requests; default: every one that no earlier route took."""

    weights: Annotated[dict[VersionName, Share], Field(min_length=1, examples=[{"v1": 90, "v2": 10}])] | None = None
    """Share of each version in percent, 100 together."""

    version: Annotated[VersionName, Field(examples=["v2"])] | None = None
    """The one version that they go to, in place of `weights`; default: as the service's other requests go."""

    timeout: Annotated[ShortDuration, Field(examples=["5s"])] | None = None
    """Time for an answer, with all tries; default: the service's."""

    stream: bool | None = None
    """Whether answers have no end to wait for (server-sent events, gRPC streams); then there is no time-out, and
    `idleTimeout` of the service in its place. Default: as the service."""

    retries: RetriesConfig | None = None
    """Whether a failed request is sent again; default: the service's."""

    fault: FaultConfig | None = None
    """Failures made on purpose; default: none."""

    mirror: MirrorConfig | None = None
    """Copies for another service; default: none."""

    def faults(self) -> Iterator[Fault]:
        if self.version is not None and self.weights is not None:
            yield Fault(
                "both `version` and `weights` are given", "It would go two ways", "Keep one of them", ("version",)
            )
        total = sum((self.weights or {}).values())
        if self.weights is not None and total != 100:
            yield Fault(
                f"the weights add up to {total}",
                "Istio takes them as parts of the sum, so that none of them is the percentage it seems",
                "Make them 100 together",
                ("weights",),
            )
        yield from term_faults(self.timeout, self.stream, self.retries)

    @property
    def condition(self) -> MatchConfig:
        """Its match, or that of everything."""
        return self.match or EVERYTHING

    @property
    def versions(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every version that it names, with the place."""
        if self.version is not None:
            yield self.version, ("version",)
        for version in self.weights or {}:
            yield version, ("weights", version)


def term_faults(timeout: ShortDuration | None, stream: bool | None, retries: RetriesConfig | None) -> Iterator[Fault]:
    """Faults between a time-out, a stream and retries said in one place."""
    if stream and timeout is not None:
        yield Fault(
            f"a stream with a time-out of {timeout}",
            "Every stream would be cut after it, however busy",
            "Take `timeout` out (`idleTimeout` of the service ends silent ones), or take `stream` out",
            ("timeout",),
        )
    if stream and retries is not None and retries.per_try is not None:
        yield Fault(
            f"a stream with {retries.per_try} for each try",
            "Every stream would be cut after it and begun again",
            "Take `perTry` out",
            ("retries", "perTry"),
        )
    if timeout is not None and retries is not None and retries.per_try is not None and retries.per_try > timeout:
        yield Fault(
            f"a try may take {retries.per_try}, all of them together {timeout}",
            "There would never be a second one",
            "Lower `perTry` or raise `timeout`",
            ("retries", "perTry"),
        )


class CanaryConfig(Model):
    """A new version, tried by those who ask for it and by a share of the others."""

    to: Annotated[VersionName, Field(examples=["v2"])]
    """The new version."""

    from_: Annotated[VersionName | None, Field(alias="from", examples=["v1"])] = None
    """The version of all others; default: the other one of two."""

    header: Annotated[Headers, Field(examples=[{"canary-user": "true"}])] | None = None
    """Requests with these headers go to the new version before any route is looked at; default: none."""

    percent: Share = 0
    """Share of all other requests that go to the new version, in percent; default 0."""


class PreviewConfig(Model):
    """Who sees the version that is not active."""

    header: Annotated[Headers, Field(examples=[{"deployment-type": "green"}])]
    """Requests with these headers go to it before any route is looked at."""

    version: VersionName | None = None
    """The version that they see; default: the other one of two."""


class BlueGreenConfig(Model):
    """Two versions, one of which gets all requests; a switch is one word."""

    active: Annotated[VersionName, Field(examples=["blue"])]
    """The version that gets them."""

    preview: PreviewConfig | None = None
    """Who sees the other one; default: nobody."""


def other_of(versions: Sequence[str], version: str) -> str | None:
    """The other one of two versions; None unless there are two, and this is one of them."""
    left = [name for name in versions if name != version]
    return left[0] if len(left) == 1 and len(versions) == 2 else None


def shadow_faults(routes: Sequence[RouteConfig], first: Mapping[str, MatchConfig]) -> Iterator[Fault]:
    """Routes that never see a request, because an earlier one takes all of theirs.

    `first`: conditions that are looked at before all routes, by what the reader knows them as.
    """
    for index, route in enumerate(routes):
        taken = next((name for name, condition in first.items() if condition.covers(route.condition)), None)
        if taken is None:
            taken = next(
                (
                    f"routes[{i}]"
                    for i, earlier in enumerate(routes[:index])
                    if earlier.condition.covers(route.condition)
                ),
                None,
            )
        if taken is not None:
            yield Fault(
                f"{taken} takes all of its requests",
                "It would never see one",
                "Put the narrower one first, or take it out",
                (index,),
            )
