"""What the stack says to the pack: `istio-mesh:policies` of its configuration, whichever program it is of."""

import fnmatch
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

from pydantic import ValidationError

from components.config.explain import explain
from components.config.faults import NAMESPACE, Fault
from components.config.policies import PoliciesConfig
from policies.catalogue import Setting

KEY = f"{NAMESPACE}:policies"
"""The key in the stack's configuration: always this one, so that a stack of another program has it too."""


@dataclass(frozen=True)
class Settings:
    """What holds for one run of the engine."""

    config: PoliciesConfig = field(default_factory=PoliciesConfig)
    faults: tuple[Fault, ...] = ()
    """Why nothing of what the stack says can be used; it is then judged as if it said nothing, and refused."""
    stack: str = ""
    dry_run: bool = False

    def setting(self, today: date) -> Setting:
        """What policies are told."""
        names = self.config.parameters.production_stacks
        return Setting(self.config.parameters, any(fnmatch.fnmatchcase(self.stack, name) for name in names), today)


def settings(config: Mapping[str, str], known: Collection[str], *, stack: str = "", dry_run: bool = False) -> Settings:
    """The settings of a stack; `config` are its values as texts, `known` the ids of all policies."""
    text = config.get(KEY)
    if text is None:
        return Settings(stack=stack, dry_run=dry_run)
    try:
        parsed = PoliciesConfig.model_validate(json.loads(text))
    except json.JSONDecodeError:
        fault = Fault(
            "it is a single text, not a structured value",
            "Nothing of it can be read",
            f"Write it as YAML below `{KEY}:`",
            ("policies",),
        )
        return Settings(faults=(fault,), stack=stack, dry_run=dry_run)
    except ValidationError as problem:
        return Settings(faults=tuple(explain(problem, ("policies",))), stack=stack, dry_run=dry_run)
    faults = tuple(
        Fault(
            f"there is no policy `{exemption.policy}`",
            "It would exempt from nothing",
            "Take the id from the message or from docs/policies.md",
            ("policies", "exemptions", index, "policy"),
        )
        for index, exemption in enumerate(parsed.exemptions)
        if exemption.policy not in known
    )
    return Settings(parsed if not faults else PoliciesConfig(parameters=parsed.parameters), faults, stack, dry_run)
