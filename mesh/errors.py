"""What ends a command: a sentence for its user."""


class MeshError(Exception):
    """The command cannot do what it was asked; the text is whole sentences with the cure, and holds no secret."""
