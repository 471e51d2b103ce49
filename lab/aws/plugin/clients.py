"""The way from the plugin to the account: clients of boto3, for this machine alone."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from lab.aws.place import endpoint, pace

T = TypeVar("T")

_lock = threading.Lock()


def _patience(seconds: float) -> float:
    # Where time is cut to a hundredth, what a busy machine takes beside it is not. At pace 0 nothing has to be waited
    # for.
    return max(5.0, seconds * pace()) if pace() else 0.0


def code(error: Exception) -> str:
    """The code of an error of AWS, such as `DependencyViolation`; empty for any other."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else ""


@functools.cache
def _client(service: str, region: str, address: str) -> Any:
    # The errors of an account are what a rehearsal is for: none of them is tried again behind its back.
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=120)
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=address,
        aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "rehearsal"),
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "rehearsal"),
        config=config,
    )


class Aws:
    """One region of the account, as a resource type's code sees it."""

    def __init__(self, region: str, account: str) -> None:
        self.region = region
        self.account = account

    def client(self, service: str) -> Any:
        """A client of a service in this region; IAM and Route 53 have one for all."""
        with _lock:
            return _client(service, self.region, endpoint())

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    @property
    def eks(self) -> Any:
        return self.client("eks")

    @property
    def iam(self) -> Any:
        return self.client("iam")

    @property
    def kms(self) -> Any:
        return self.client("kms")

    def again(self, call: Callable[[], T], *codes: str, saying: str = "", seconds: float) -> T:
        """Call until it does not fail with one of these codes, as the real provider does.

        Args:
            call: What is asked of the account.
            codes: The errors that pass with time.
            saying: A part of their message.
            seconds: How long AWS may take; shortened by the pace.
        """
        end = time.monotonic() + _patience(seconds)
        while True:
            try:
                return call()
            except ClientError as error:
                passes = code(error) in codes and saying in error.response["Error"]["Message"]
                if not passes or time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def wait(self, look: Callable[[], str], *, until: Sequence[str], through: Sequence[str], seconds: float) -> str:
        """Look until a state is reached.

        Args:
            look: Gives the state; an error ends the wait.
            until: The states that are waited for.
            through: Those that may come before. Any other one is a failure.
            seconds: How long AWS may take; shortened by the pace.

        Raises:
            RuntimeError: Another state was met, or the time is over.
        """
        end = time.monotonic() + _patience(seconds)
        while (state := look()) not in until:
            if state not in through:
                raise RuntimeError(f"unexpected state '{state}', wanted target '{', '.join(until)}'")
            if time.monotonic() > end:
                raise RuntimeError(f"timeout while waiting for state to become '{', '.join(until)}' (last: '{state}')")
            time.sleep(0.05)
        return state


def pairs(tags: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags in the form of most services: a list of pairs."""
    return [{key: name, value: text} for name, text in (tags or {}).items()]


def unpaired(tags: Sequence[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """The way back. AWS's own tags (`aws:`) are left out."""
    return {each[key]: each[value] for each in tags or () if not each[key].startswith("aws:")}


def given(**values: Any) -> dict[str, Any]:
    """The arguments that have a value."""
    return {name: value for name, value in values.items() if value is not None}
