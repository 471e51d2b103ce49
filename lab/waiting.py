"""Waiting for a condition, with a deadline: the lab's only way to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lab.errors import LabError

T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], *, deadline: float, what: str, interval: float = 0.2) -> T:
    """Ask `condition` until it gives something true, and give that.

    Args:
        condition: What is asked. An exception counts as "not yet" and is remembered, except a LabError: it says that
            waiting is of no use, and is passed on at once.
        deadline: Seconds from now after which it is given up.
        what: What is waited for, as the sentence of the error is to name it.
        interval: Seconds between two questions.

    Raises:
        LabError: The deadline has passed; names `what` and the last problem.
    """
    started = time.monotonic()
    problem = "it never came about"
    while True:
        try:
            result = condition()
            if result:
                return result
        except LabError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if time.monotonic() - started > deadline:
            raise LabError(f"Waited {deadline:g} s for {what}, in vain ({problem}).")
        time.sleep(interval)
