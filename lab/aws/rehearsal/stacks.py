"""The stacks that are rehearsed, as files for the engine, and what they take for granted in their account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.aws.rehearsal import overlay
from lab.aws.rehearsal.account import AccountClient
from lab.aws.rehearsal.engine import Engine
from lab.aws.rehearsal.missing import NAMESPACE, settings
from lab.errors import LabError

STACKS = ("staging", "prod")


@dataclass(frozen=True)
class Stack:
    """A stack of the program.

    Attributes:
        name: `staging` or `prod`.
        values: Its configuration, as its file has it.
    """

    name: str
    values: Mapping[str, Any]

    @classmethod
    def load(cls, clone: Path, name: str) -> Stack:
        """Read a stack's file.

        Raises:
            LabError: There is none, or it says nothing of AWS.
        """
        file = clone / f"Pulumi.{name}.yaml"
        if not file.exists():
            raise LabError(f"There is no {file.name}: there is nothing to rehearse of the stack {name}.")
        values = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
        if f"{NAMESPACE}:aws" not in values:
            raise LabError(f"{file.name} has no {NAMESPACE}:aws: a rehearsal is of stacks that make clusters in AWS.")
        return cls(name, values)

    def part(self, name: str) -> Any:
        """One concern of it."""
        return self.values.get(f"{NAMESPACE}:{name}", {})

    @property
    def account(self) -> str:
        """Number of its account."""
        return str(self.part("aws")["account"])

    @property
    def deployer(self) -> str:
        """ARN of the principal that deploys it."""
        return self.part("aws")["deployFrom"]["principal"]

    def regions(self) -> dict[str, str]:
        """Regions of AWS by name of the cluster."""
        return {each["name"]: each["region"] for each in self.part("clusters")}

    def clusters(self) -> dict[str, str]:
        """Name in EKS by region of AWS: `<mesh id>-<environment>-<cluster>`."""
        start = f"{self.part('mesh')['id']}-{self.part('aws')['tags']['environment']}"
        return {region: f"{start}-{name}" for name, region in self.regions().items()}

    def principals(self) -> Iterator[str]:
        """Names of the roles in its account that it takes for granted."""
        found = [self.deployer, *(each["principal"] for each in self.part("aws").get("access", {}).values())]
        for arn in dict.fromkeys(found):
            if arn.startswith(f"arn:aws:iam::{self.account}:role/"):
                yield arn.rpartition("/")[2]

    def prepare(self, account: AccountClient) -> None:
        """Put into an empty account what is there before the stack."""
        aws = self.part("aws")
        account.order("roles", names=list(self.principals()))
        account.order("caller", arn=self.deployer)
        if boundary := aws.get("permissionsBoundary"):
            account.order("boundary", arn=boundary)
        name = self.part("gateways").get("ingress", {}).get("name")
        if name:
            account.order("zone", name=name["zone"], id=name["zoneId"])
        if authority := self.part("trust").get("root", {}).get("privateCa"):
            account.order("authority", arn=authority["arn"], key=authority.get("key", "RSA"))
        where = aws["deployFrom"]
        if managing := where.get("managementVpc"):
            there = {"region": managing["region"], "tables": managing["routeTables"]}
            account.order("vpc", id=managing["id"], cidr=managing["cidr"], **there)
            account.order("runner", vpc=managing["id"], **there)
        else:
            account.order("runner", egress=where["egress"])

    def write(self, file: Path, clone: Path) -> None:
        """Write its configuration for a rehearsal: with the overlay."""
        values = overlay.laid_over(self.values, overlay.load())
        of_aws = values[f"{NAMESPACE}:aws"]["loadBalancerController"]
        for charts in (values[f"{NAMESPACE}:mesh"]["charts"], of_aws["charts"]):
            charts["folder"] = str(clone / charts["folder"])
        file.write_text(yaml.safe_dump({"config": values}, sort_keys=False), encoding="utf-8")

    def complete(self, engine: Engine) -> None:
        """Set the secrets that its file leaves out."""
        for each in settings(self.values):
            kind = "--secret" if each.secret else "--plaintext"
            words = ["config", "set", "--path", kind, "--stack", engine.stack, "--config-file", str(engine.config)]
            engine.run(*words, each.path, "--", each.value)
