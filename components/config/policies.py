"""`istio-mesh:policies`: what the policy pack is told of a stack: exemptions, and parameters of policies.

The program itself reads none of it; it only checks it with the rest of the file. The pack (policies/) reads it, also
from the stacks of other programs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from components.config.defaults import (
    END_OF_SUPPORT,
    INGRESS_PORTS,
    MAX_SAMPLING,
    PRODUCTION_STACKS,
    REQUIRED_TAGS,
    WITHOUT_INJECTION,
)
from components.config.faults import Fault, invalid
from components.config.model import Model
from components.config.values import Duration, Port, Written, matching, shown
from components.config.workload import Percent

# What Pulumi makes of a day without quotes, beside the day itself.
_ISO_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(T00:00:00Z| 00:00:00 \+0000 UTC)?")


@dataclass(frozen=True)
class Day(Written):
    """A day, written `2027-06-30`; it ends at midnight UTC."""

    date: date

    json_schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^\d{4}-\d{2}-\d{2}$",
        "examples": ["2027-06-30"],
    }

    @classmethod
    def parse(cls, written: object) -> "Day":
        # YAML knows days, and some of its readers make a point in time of one.
        text = written.isoformat() if isinstance(written, date) else written
        match = _ISO_DAY.fullmatch(text) if isinstance(text, str) else None
        try:
            return cls(date.fromisoformat(match[1] if match else ""))
        except ValueError:
            raise invalid(
                f"{shown(written)} is not a day",
                "Nobody could tell when it ends",
                "Write year, month and day, as in `2027-06-30`",
            ) from None

    def __str__(self) -> str:
        return self.date.isoformat()


_POLICY_ID = matching(
    re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+"),
    "a policy's id",
    "It would exempt from nothing",
    "Take it from the message or from docs/policies.md, as in `istio-mtls-strict`",
)


def _resource(value: str) -> str:
    if not value.strip("*?"):
        raise invalid(
            f"`{value}` is every resource" if value else "it is empty",
            "Whatever is added later would be exempt too, and nobody would see it",
            "Name the resources, as in `use1-security-exam-permissive-*`",
        )
    return value


class ExemptionConfig(Model):
    """Resources that one policy does not refuse until a day, and why. After it they are refused again."""

    policy: Annotated[str, _POLICY_ID, Field(examples=["istio-mtls-strict"])]
    """Id of the policy, as its message and docs/policies.md have it."""

    resource: Annotated[str, AfterValidator(_resource), Field(examples=["use1-security-exam-permissive-*"])]
    """Logical name of the resource, or a pattern for several (`*`, `?`, `[ab]`); with `urn:` at its beginning it is
    about the whole URN."""

    reason: Annotated[str, Field(min_length=1, examples=["Its callers join the mesh in spring"])]
    """Why it is right for now: for who reads it later."""

    owner: Annotated[str, Field(min_length=1, examples=["platform-team"])]
    """Who answers for it, and is asked when it ends."""

    expires: Annotated[Day, Field(examples=["2027-06-30"])]
    """The last day on which it holds. From the next one on the pack refuses the stack until it is renewed or taken
    out."""


class ParametersConfig(Model):
    """What policies compare with, where organisations differ."""

    production_stacks: tuple[Annotated[str, Field(min_length=1, examples=["prod"])], ...] = PRODUCTION_STACKS
    """Names of stacks, or patterns, that policies for production are about; default `prod` and `production`."""

    registries: tuple[Annotated[str, Field(min_length=1, examples=["docker.io/istio"])], ...] = ()
    """Registries, with or without a path, that images may come from; default: any."""

    tags: tuple[Annotated[str, Field(min_length=1, examples=["owner"])], ...] = REQUIRED_TAGS
    """Tags that every AWS resource has that can have one; default `owner`, `environment` and `costCentre`."""

    ingress_ports: tuple[Port, ...] = INGRESS_PORTS
    """Ports that may be open to the world; default 80 and 443."""

    end_of_support: Duration = END_OF_SUPPORT
    """Time before the end of a version's support from which it is warned about; default 90d."""

    max_sampling: Percent = MAX_SAMPLING
    """Share of the requests that may be traced in production, in percent; default 10."""

    without_injection: tuple[Annotated[str, Field(min_length=1, examples=["observability"])], ...] = WITHOUT_INJECTION
    """Namespaces, or patterns, that need no sidecars; default: those of Kubernetes and of the mesh itself."""

    services_elsewhere: tuple[Annotated[str, Field(min_length=1, examples=["*.exam.svc.cluster.local"])], ...] = ()
    """Hosts, or patterns, of services that other programs make; default: none."""

    gateways_elsewhere: tuple[Annotated[str, Field(min_length=1, examples=["istio-ingress/ingress"])], ...] = ()
    """Gateways, or patterns, that other programs make, as `namespace/name`; default: none."""


class PoliciesConfig(Model):
    """What the policy pack is told of the stack."""

    exemptions: tuple[ExemptionConfig, ...] = ()
    """Resources that policies do not refuse, each with its reason and its end; default: none."""

    parameters: ParametersConfig = ParametersConfig()
    """What policies compare with."""

    def faults(self) -> Iterator[Fault]:
        seen: dict[tuple[str, str], int] = {}
        for index, exemption in enumerate(self.exemptions):
            key = (exemption.policy, exemption.resource)
            if key in seen:
                yield Fault(
                    f"exemptions[{seen[key]}] is about the same resource already",
                    "Only one of the two days can be meant",
                    "Keep one of them",
                    ("exemptions", index),
                )
            seen.setdefault(key, index)
