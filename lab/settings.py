"""Kernel settings of the whole machine that the lab raises while it runs, and puts back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

NEEDED: Mapping[str, int] = {
    # Each kubelet, containerd, istiod and agent of a sidecar holds some, and the pods of both regions share their
    # users' limit: the usual 128 is used up by some twenty sidecars, and the next one fails with "too many open files".
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
}
"""The least that the lab needs of each: a limit is raised to it, and never lowered."""


def _file(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def current(name: str) -> str:
    """The setting as it is."""
    return _file(name).read_text().strip()


def to_change() -> dict[str, str]:
    """The settings that are too low, with their present values."""
    return {name: current(name) for name, least in NEEDED.items() if int(current(name)) < least}


def raise_limits() -> None:
    """Raise what is too low."""
    for name in to_change():
        _file(name).write_text(str(NEEDED[name]))


def still_raised(before: Mapping[str, str]) -> Iterator[str]:
    """Settings that stand as the lab has set them, each as a few words; what someone else has set since is theirs."""
    for name, value in before.items():
        if current(name) == str(NEEDED.get(name)) != value:
            yield f"kernel setting {name}={current(name)} instead of {value}"


def restore(before: Mapping[str, str]) -> None:
    """Put settings back to what they were, unless someone has changed them since."""
    for name, value in before.items():
        if current(name) == str(NEEDED.get(name)):
            _file(name).write_text(value)
