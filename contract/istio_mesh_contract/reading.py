"""From a stack's outputs to the model, with a sentence for each thing that keeps them from being read."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime import invoke_async
from pydantic import ValidationError

from istio_mesh_contract.model import VERSION, MeshOutputs
from istio_mesh_contract.problems import ContractError, Problem, faults, refused

_READ = "pulumi:pulumi:readStackOutputs"
_UNKNOWN = "unknown stack"


def read(values: Mapping[str, Any], source: str) -> MeshOutputs:
    """The model of a stack's outputs. Raises ContractError with every fault of them; `source` names the stack."""
    _check_version(values, source)
    try:
        return MeshOutputs.model_validate(_known(values), extra="ignore")
    except ValidationError as problem:
        raise ContractError(
            *(
                Problem(
                    f"{source}: {path}",
                    what,
                    "What is made from it would be made without it" if missing else "What is made from it would fail",
                    f"The platform's team has it mended by an `up` of `{source}` with the program of today; "
                    f"`pulumi stack output --stack {source}` shows it",
                )
                for path, what, missing in faults(problem)
            )
        ) from None


def _known(values: Any) -> Any:
    """The values without nulls: one below the first level says the same as nothing, and the engine drops it."""
    if isinstance(values, Mapping):
        return {key: _known(value) for key, value in values.items() if value is not None}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return values


def _check_version(values: Mapping[str, Any], source: str) -> None:
    version = values.get("contractVersion")
    if version is None:
        raise refused(
            f"{source}: contractVersion",
            "it is missing",
            "These are no outputs of a mesh, or of one from before there was a contract",
            "Name a stack of the project istio-mesh, as in `organization/istio-mesh/prod`, and let it be brought `up`",
        )
    if isinstance(version, bool) or not isinstance(version, int | float) or version != int(version) or version < 1:
        raise refused(
            f"{source}: contractVersion",
            f"`{version}` is no version",
            "It is not known how the other outputs are to be read",
            "Name a stack of the project istio-mesh, as in `organization/istio-mesh/prod`",
        )
    if version > VERSION:
        raise refused(
            f"{source}: contractVersion",
            f"it is {int(version)}, and this program reads version {VERSION}",
            "Fields have gone or changed their meaning, and what is made from them would be wrong",
            f"Take istio-mesh-contract {int(version)}.* into the program's requirements; its schema says what changed",
        )


async def existing(stack: str) -> str:
    """The name of a stack, once it is known that there is one. Raises ContractError.

    A StackReference to one that does not exist ends the whole run in the engine's words, before the program can say
    what to do.
    """
    try:
        await invoke_async(_READ, {"name": stack})
    except Exception as problem:
        # The engine's client raises no narrower one; what it says of anything else is passed on.
        if _UNKNOWN not in str(problem):
            raise refused(
                stack,
                f"its outputs cannot be read: {str(problem).rpartition('error: ')[2]}",
                "Nothing is known of the mesh",
                "Mend that, and run again",
            ) from None
        raise refused(
            stack,
            "there is no such stack in this backend",
            "Nothing is known of the mesh, and nothing can be made in it",
            "Name it in full, as in `organization/istio-mesh/prod` (`pulumi stack ls --all` shows what there is), or "
            "log in to the backend that the platform's stack is in: `pulumi login`",
        ) from None
    return stack


def of_stack(stack: str) -> pulumi.Output[MeshOutputs]:
    """The outputs of a stack, by a StackReference of its name."""
    reference = pulumi.StackReference(stack, stack_name=_as_name(existing(stack)))
    return reference.outputs.apply(lambda values: read(values, stack))


def _as_name(name: Any) -> Any:
    """The SDK takes an output for the name, and says that it takes a text."""
    return pulumi.Output.from_input(name)
