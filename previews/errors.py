"""The one error that this program shows to a person."""


class PreviewError(Exception):
    """A preview that could not be run, read or published: what is wrong, what follows where it is not plain, the cure.

    The text never holds a secret.
    """
