"""The base of resources that this program implements itself (Pulumi dynamic providers)."""

from typing import Any

import pulumi.dynamic

Properties = dict[str, Any]


class Provider(pulumi.dynamic.ResourceProvider):
    """Base of this program's dynamic providers.

    The engine keeps the provider, pickled, in each resource's state. A class of an importable module is pickled as its
    module and name, so a change of its code is no change of the resource. A provider must have no attributes, which
    would be in the pickle. The name alone is no secret, which spares each diff a line.
    """

    serialize_as_secret_always = False
