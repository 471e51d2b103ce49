"""Values with a meaning of their own: durations, quantities, names, hosts."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import total_ordering
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from components.config.faults import invalid
from components.naming import DNS_LABEL_LIMIT, DNS_SUBDOMAIN_LIMIT


class Written:
    """A value written as text in the YAML: subclasses say how it is parsed and what an editor may accept."""

    json_schema: ClassVar[dict[str, Any]]

    @classmethod
    def parse(cls, written: object) -> Self:
        """The value; raises InvalidValue."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: object) -> Self:
            return value if isinstance(value, cls) else cls.parse(value)

        return core_schema.no_info_plain_validator_function(read, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return dict(cls.json_schema)


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (86_400, 3_600, 60, 1)
_LONGEST = 36_500 * 86_400  # a hundred years: dates end with the year 9999, and nothing here is meant to live longer


@total_ordering
@dataclass(frozen=True, eq=True)
class Duration(Written):
    """A length of time, written with units: `24h`, `730d`, `1h30m`. A day has 24 hours."""

    seconds: int

    json_schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$",
        "examples": ["24h", "730d", "15m"],
    }

    @classmethod
    def parse(cls, written: object) -> "Duration":
        match = _DURATION.fullmatch(written) if isinstance(written, str) and written else None
        if match is None:
            raise invalid(
                f"{shown(written)} is not a length of time",
                "Without a unit seconds and days look alike",
                "Write whole numbers with units from d, h, m, s, as in `24h`, `730d` or `1h30m`",
            )
        seconds = sum(int(part) * unit for part, unit in zip(match.groups(default="0"), _SECONDS, strict=True))
        if seconds == 0:
            raise invalid("a length of time of zero", "It would be over before it began", "Write one above zero")
        if seconds > _LONGEST:
            raise invalid(
                f"{shown(written)} is more than a hundred years",
                "Nothing should be trusted for so long, and its end may be no date at all",
                "Write at most `36500d`",
            )
        return cls(seconds)

    def __lt__(self, other: "Duration") -> bool:
        return self.seconds < other.seconds

    def __str__(self) -> str:
        """As a person writes it, with the largest units that fit: `730d`, `24h`, `1h30m`."""
        left, text = self.seconds, ""
        for unit, size in zip("dhms", _SECONDS, strict=True):
            # One day is usually said as 24 hours, and so it is in Istio's own pages.
            if unit == "d" and left < 2 * size:
                continue
            count, left = divmod(left, size)
            text += f"{count}{unit}" if count else ""
        return text

    @property
    def go(self) -> str:
        """As Go's time.ParseDuration reads it, which knows no days: `17520h`."""
        hours, left = divmod(self.seconds, 3_600)
        minutes, seconds = divmod(left, 60)
        parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
        return "".join(f"{count}{unit}" for count, unit in parts if count)


_SHORT = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_LONGEST_SHORT = 24 * 3_600_000
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


@total_ordering
@dataclass(frozen=True, eq=True)
class ShortDuration(Written):
    """A length of time in which milliseconds count, written with units: `100ms`, `10s`, `1m30s`; at most 24h."""

    milliseconds: int

    json_schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
        "examples": ["100ms", "10s"],
    }

    @classmethod
    def parse(cls, written: object) -> "ShortDuration":
        match = _SHORT.fullmatch(written) if isinstance(written, str) and written else None
        if match is None:
            raise invalid(
                f"{shown(written)} is not a length of time",
                "Without a unit milliseconds and seconds look alike",
                "Write whole numbers with units from h, m, s, ms, as in `100ms`, `10s` or `1m30s`",
            )
        parts = zip(match.groups(default="0"), _MILLISECONDS.values(), strict=True)
        milliseconds = sum(int(part) * unit for part, unit in parts)
        if milliseconds == 0:
            raise invalid("a length of time of zero", "It would be over before it began", "Write one above zero")
        if milliseconds > _LONGEST_SHORT:
            raise invalid(
                f"{shown(written)} is more than a day",
                "Nobody waits for so long, and it was meant as something else",
                "Write at most `24h`",
            )
        return cls(milliseconds)

    def __lt__(self, other: "ShortDuration") -> bool:
        return self.milliseconds < other.milliseconds

    @property
    def go(self) -> str:
        """As Go's time.ParseDuration reads it: `100ms`, `10s`."""
        seconds, rest = divmod(self.milliseconds, 1_000)
        return f"{self.milliseconds}ms" if rest else f"{seconds}s"

    def __str__(self) -> str:
        """As a person writes it, with the largest units that fit: `1m30s`, `500ms`."""
        left, text = self.milliseconds, ""
        for unit, size in _MILLISECONDS.items():
            count, left = divmod(left, size)
            text += f"{count}{unit}" if count else ""
        return text

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.milliseconds / 1_000


_QUANTITY = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_SCALE = {
    None: Decimal(1), "m": Decimal("0.001"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip


@dataclass(frozen=True)
class Quantity(Written):
    """An amount of cpu (cores) or memory (bytes) as Kubernetes writes it: `500m`, `2`, `128Mi`, `2Gi`.

    Kept as written, because the API server keeps it so; `amount` is what it comes to.
    """

    text: str

    json_schema: ClassVar[dict[str, Any]] = {
        "anyOf": [{"type": "string", "pattern": r"^(\d+(\.\d+)?|\.\d+)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"}, {"type": "number"}],
        "examples": ["500m", "2Gi"],
    }

    @classmethod
    def parse(cls, written: object) -> "Quantity":
        # A bare 1 or 0.5 is a number to YAML and one core to a person.
        text = str(written) if isinstance(written, int | float) and not isinstance(written, bool) else written
        if not isinstance(text, str) or not _QUANTITY.fullmatch(text):
            raise invalid(
                f"{shown(written)} is not an amount of cpu or memory",
                "The API server would refuse the pods",
                "Write it as Kubernetes does, as in `500m` or `2` for cpu, `128Mi` or `2Gi` for memory",
            )
        return cls(text)

    @property
    def amount(self) -> Decimal:
        """Cores or bytes."""
        match = _QUANTITY.fullmatch(self.text)
        assert match is not None  # only `parse` makes quantities from outside
        return Decimal(match[1]) * _SCALE[match[2]]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class ByteSize(Written):
    """A number of bytes with its unit: `1Mi`, `512Ki`, `10M`. At least one, and less than 4Gi (Envoy's uint32)."""

    bytes: int
    text: str = field(compare=False)

    json_schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^\d+(k|Ki|M|Mi|G|Gi)$",
        "examples": ["1Mi", "512Ki"],
    }

    @classmethod
    def parse(cls, written: object) -> "ByteSize":
        match = _BYTES.fullmatch(written) if isinstance(written, str) else None
        if match is None:
            raise invalid(
                f"{shown(written)} is not a size",
                "Without a unit bytes and kilobytes look alike",
                "Write a whole number with a unit from k, Ki, M, Mi, G, Gi, as in `1Mi`",
            )
        amount = int(match[1]) * int(_SCALE[match[2]])
        if not 0 < amount < 2**32:
            raise invalid(
                f"{match[0]} is {'nothing' if amount == 0 else 'more than Envoy can count'}",
                "It counts these bytes from 1 up to 4294967295",
                "Write a size in between, as in `1Mi`",
            )
        return cls(amount, match[0])

    def __str__(self) -> str:
        return self.text


_BYTES = re.compile(r"(\d+)(k|Ki|M|Mi|G|Gi)")


def matching(pattern: re.Pattern[str], what: str, consequence: str, cure: str) -> AfterValidator:
    """The check of a text that a pattern has to match whole. `what` it then is, as in `the ARN of a policy`."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise invalid(f"`{value}` is not {what}", consequence, cure)
        return value

    return AfterValidator(check)


_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _dns_label(value: str) -> str:
    if len(value) > DNS_LABEL_LIMIT or not _LABEL.fullmatch(value):
        raise invalid(
            f"`{value}` is not a DNS label" if value else "it is empty",
            "Kubernetes refuses it as a name (RFC 1123)",
            f"Use at most {DNS_LABEL_LIMIT} lower-case letters, digits and inner hyphens, as in `use1`",
        )
    return value


DnsLabel = Annotated[
    str, AfterValidator(_dns_label), Field(json_schema_extra={"pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"})
]
"""A name of at most 63 lower-case letters, digits and inner hyphens (RFC 1123)."""


def _dns_subdomain(value: str) -> str:
    if len(value) > DNS_SUBDOMAIN_LIMIT or not all(_LABEL.fullmatch(label) for label in value.split(".")):
        raise invalid(
            f"`{value}` is not a DNS subdomain" if value else "it is empty",
            "Kubernetes refuses it as a name (RFC 1123)",
            f"Use at most {DNS_SUBDOMAIN_LIMIT} lower-case letters, digits, inner hyphens and dots, "
            "as in `exam-platform-tls` or `tls.exam-platform.com`",
        )
    return value


DnsSubdomain = Annotated[
    str,
    AfterValidator(_dns_subdomain),
    Field(json_schema_extra={"pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"}),
]
"""A name of at most 253 lower-case letters, digits, inner hyphens and dots (RFC 1123)."""


def _host(value: str) -> str:
    if value == "*":
        raise invalid(
            "`*` takes every host",
            "Requests for names that nobody declared would be answered, with a certificate that is not theirs",
            "Name the hosts, or one domain's as `*.exam-platform.com`",
        )
    labels = value.removeprefix("*.").split(".")
    wrong = [label for label in labels if len(label) > DNS_LABEL_LIMIT or not _LABEL.fullmatch(label)]
    if wrong or len(labels) < 2 or len(value) > 253:
        raise invalid(
            f"`{value}` is not a host name" if value else "it is empty",
            "Istio refuses the Gateway, and no request could carry the name",
            "Write a full name in lower case without scheme, port or path, as in `api.exam-platform.com`",
        )
    if all(label.isdecimal() for label in labels):
        raise invalid(
            f"`{value}` is an address",
            "TLS asks for a name (SNI), and clients send none for an address",
            "Write the name that clients use",
        )
    return value


Host = Annotated[str, AfterValidator(_host), Field(json_schema_extra={"examples": ["api.exam-platform.com"]})]
"""A full DNS name in lower case, or a wildcard for one domain (`*.exam-platform.com`); never a bare `*`."""


def _trust_domain(value: str) -> str:
    if not 0 < len(value) <= 255 or not re.fullmatch(r"[a-z0-9._-]+", value):
        raise invalid(
            f"`{value}` is not a trust domain",
            "It is the authority of every workload's SPIFFE identity, and a receiver would refuse all of them",
            "Use lower-case letters, digits, dots, hyphens and underscores, as in `exam-platform.local`",
        )
    return value


TrustDomain = Annotated[str, AfterValidator(_trust_domain)]
"""Authority of SPIFFE identities: lower-case letters, digits, `.`, `-`, `_` (SPIFFE-ID 2.1)."""

Port = Annotated[int, Field(ge=1, le=65_535)]
"""A TCP port."""

Generation = Annotated[int, Field(ge=1)]
"""A number that is raised by one to renew what it stands by; it begins with 1 and is never lowered."""


def shown(written: object) -> str:
    """What was written, for a message about it."""
    return f"the number {written}" if isinstance(written, int | float) else f"`{written}`" if written else "nothing"
