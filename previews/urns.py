"""Names of resources as the engine writes them: `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`."""


def type_of(urn: str) -> str:
    """The resource's own type, without those of its parents; the whole where it is no URN."""
    parts = urn.split("::", 3)
    return parts[2].rpartition("$")[2] if len(parts) == 4 else urn


def name_of(urn: str) -> str:
    """The resource's logical name; the whole where it is no URN."""
    parts = urn.split("::", 3)
    return parts[3] if len(parts) == 4 else urn


def kind_of(type_token: str) -> str:
    """A type for people: the part that names the kind, as in `VirtualService`."""
    return type_token.rpartition(":")[2]


def is_default_provider(urn: str) -> bool:
    """Whether the engine makes this provider by itself: nobody declared it, and the engine does not count it."""
    return type_of(urn).startswith("pulumi:providers:") and name_of(urn).startswith("default")
