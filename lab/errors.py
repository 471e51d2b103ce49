"""The one error that the lab shows to a person."""

from __future__ import annotations


class LabError(Exception):
    """Something the lab cannot do or go on with: one sentence with the cause, the consequence where it is not plain,
    and the cure.
    """
