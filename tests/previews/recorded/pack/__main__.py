"""A pack made to be recorded: policies of a resource and of the stack, one of them of a value that is not known yet."""

from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ResourceValidationPolicy,
    StackValidationPolicy,
)


def weights(args: Any, report: Any) -> None:
    """The sum of a route's shares."""
    if args.resource_type.endswith(":VirtualService"):
        total = sum(route["weight"] for rule in args.props["spec"]["http"] for route in rule["route"])
        if total != 100:
            report(
                f"spec.http[0].route: the weights are {total:.0f} together. A part is lost.\nMend it: make them 100."
            )


def signs(args: Any, report: Any) -> None:
    """What nobody can keep."""
    if args.resource_type.endswith(":ConfigMap") and args.props["data"]["open"] == "always":
        report("data.open: `always` is never true | customers <b>come</b> in vain, @everybody.\nMend it: write hours.")


def address(args: Any, report: Any) -> None:
    """What cannot be judged before the shelf is there."""
    if args.resource_type.endswith(":ConfigMap") and args.props["data"]["address"] == "10.0.0.0":
        report("data.address: it is the network's own.\nMend it: take another.")


def way_in(args: Any, report: Any) -> None:
    """What a stack must have."""
    if not any(found.resource_type.endswith(":VirtualService") for found in args.resources):
        report("There is no way in. Nobody finds the shop.\nMend it: leave `shop:small` out.")


PolicyPack(
    "shop-rules",
    policies=[
        ResourceValidationPolicy("weights-of-100", "Weights are 100 together.", weights, EnforcementLevel.MANDATORY),
        ResourceValidationPolicy("true-signs", "Signs are true.", signs, EnforcementLevel.ADVISORY),
        ResourceValidationPolicy("own-address", "An address is a host's.", address, EnforcementLevel.MANDATORY),
        StackValidationPolicy("a-way-in", "A shop has a way in.", way_in, EnforcementLevel.MANDATORY),
    ],
)
