"""What a resource type is to the provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from lab.aws.plugin.clients import Aws, pairs
from lab.aws.plugin.values import UNKNOWN

Values = Mapping[str, Any]


class Gone(Exception):
    """The account has no such resource (any more)."""


class Kind:
    """A resource type: the calls that make, read, change and delete one.

    A creation has two parts, as with the real provider: `create` makes the resource and gives its id, `settle` brings
    it to what was asked and waits. Where `settle` fails, the engine keeps the id, and the next run goes on from there.

    Attributes:
        token: The type's token.
        computed: Outputs beside the inputs; in a preview they are unknown.
        inner: Outputs inside of an input that is an object.
    """

    token: ClassVar[str]
    computed: ClassVar[tuple[str, ...]] = ()
    inner: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def previewed(self, inputs: Values, olds: Values) -> dict[str, Any]:
        """What a preview says of it. olds: what is known of it; empty where it is to be made."""
        told = dict(inputs)
        for name in self.computed:
            told.setdefault(name, olds.get(name, UNKNOWN))
        for name, parts in self.inner.items():
            if isinstance(told.get(name), Mapping):
                known = olds.get(name, {})
                told[name] = {**{part: known.get(part, UNKNOWN) for part in parts}, **told[name]}
        return told

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        """What AWS or the real provider would refuse of these inputs already in a preview: property and sentence. What
        is not known yet is left out of `inputs`.
        """
        del inputs
        yield from ()

    def create(self, aws: Aws, inputs: Values) -> str:
        """Make one and give its id."""
        raise NotImplementedError

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        """Bring a new one to what was asked for, and wait until it can be used."""

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        """Its inputs and outputs as they are in the account. known: what was last known of it, empty in an import.

        Raises:
            Gone: There is none.
        """
        raise NotImplementedError

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        """Bring it to these inputs. olds: what was last known of it."""
        raise NotImplementedError

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        """Delete it and wait until it is gone. One that is gone already is no error."""
        raise NotImplementedError

    def find(self, aws: Aws, inputs: Values) -> str | None:
        """The id of the one that a cut-off creation with these inputs has made; None where there is none."""
        del aws, inputs
        return None


KINDS: dict[str, Kind] = {}
"""All types that are carried, by token."""


def kind(token: str) -> Any:
    """Decorator: the class carries this type."""

    def register(cls: type[Kind]) -> type[Kind]:
        cls.token = token
        KINDS[token] = cls()
        return cls

    return register


def ec2_tags(resource: str, inputs: Values) -> dict[str, Any]:
    """The argument that tags a resource of EC2 in the call that makes it."""
    tags = inputs.get("tags")
    return {"TagSpecifications": [{"ResourceType": resource, "Tags": pairs(tags)}]} if tags else {}


def retag_ec2(aws: Aws, id: str, wanted: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Bring the tags of a resource of EC2 to what is wanted."""
    if surplus := [name for name in present if name not in wanted]:
        aws.ec2.delete_tags(Resources=[id], Tags=[{"Key": name} for name in surplus])
    if changed := {name: value for name, value in wanted.items() if present.get(name) != value}:
        aws.ec2.create_tags(Resources=[id], Tags=pairs(changed))


def tagged(tags: Mapping[str, str]) -> dict[str, Any]:
    """The outputs that tell tags."""
    return {"tags": dict(tags), "tagsAll": dict(tags)}


def arn(aws: Aws, service: str, resource: str) -> str:
    """An ARN in this account and region."""
    return f"arn:aws:{service}:{aws.region}:{aws.account}:{resource}"
