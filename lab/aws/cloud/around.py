"""Laying a rule around a method of moto's."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

INSTALLED: dict[str, Callable[..., Any]] = {}
"""The methods that carry a rule, with their originals: `EC2Backend.delete_subnet`."""


def around(cls: type, *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function takes the place of a method (or several) and is given the original, bound to its object,
    first: `rule(original, self, ...)`.

    Raises:
        AttributeError: moto has no such method (any more).
    """

    def lay(rule: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            original = getattr(cls, name)
            INSTALLED.setdefault(f"{cls.__name__}.{name}", original)

            def guarded(self: Any, *arguments: Any, _original: Callable[..., Any] = original, **named: Any) -> Any:
                return rule(functools.partial(_original, self), self, *arguments, **named)

            setattr(cls, name, functools.update_wrapper(guarded, original))
        return rule

    return lay


class Clock:
    """How long things take.

    Attributes:
        pace: What a second of AWS takes here. 0: nothing takes time.
        lock: Held by whoever looks at the account or changes it.
    """

    def __init__(self) -> None:
        self.pace = 0.0
        self.lock = threading.RLock()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after so many seconds of AWS."""

        def act() -> None:
            with self.lock:
                action()

        if self.pace <= 0:
            act()
            return
        timer = threading.Timer(seconds * self.pace, act)
        timer.daemon = True
        timer.start()


CLOCK = Clock()
