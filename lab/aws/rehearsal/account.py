"""The account as a process, and what a rehearsal asks of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.aws.place import ORDERS
from lab.errors import LabError
from lab.paths import CLONE


class AccountClient:
    """Orders for an account. address: its URL."""

    def __init__(self, address: str) -> None:
        self.address = address
        # Never by a proxy: it is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def order(self, name: str, /, **content: Any) -> Any:
        """Give an order.

        Raises:
            LabError: The account does not answer, or refuses.
        """
        request = urllib.request.Request(
            f"{self.address}{ORDERS}{name}", data=json.dumps(content).encode(), method="POST"
        )
        try:
            with self._opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.load(error).get("error", error)
            raise LabError(f"The rehearsal's account refused the order `{name}`: {said}") from error
        except OSError as error:
            raise LabError(
                f"The rehearsal's account at {self.address} did not take the order `{name}`: {error}."
            ) from error

    def inventory(self) -> dict[str, list[str]]:
        """What is there, by `service/kind/region`."""
        return self.order("inventory")

    def counts(self) -> dict[str, int]:
        """How many of each are there."""
        return {kind: len(ids) for kind, ids in self.inventory().items()}

    def changes(self) -> int:
        """How many calls that change something it has carried out."""
        return self.order("changes")["count"]

    def fault(self, service: str, operation: str, **how: Any) -> None:
        """Let calls fail; see `lab.aws.cloud.control.Fault`."""
        self.order("fault", service=service, operation=operation, **how)

    def clear(self) -> None:
        """No faults, no lowered quotas, an empty journal."""
        self.order("clear")


@contextmanager
def running(
    folder: Path, *, account: str, pace: float, host: str = "127.0.0.1", environment: Mapping[str, str] | None = None
) -> Generator[AccountClient]:
    """An empty account for as long as the block lasts.

    Args:
        folder: Gets its log, `account.log`.
        account: Its number.
        pace: What a second of AWS takes, in seconds.
        host: The address to listen on.
        environment: Of the process; by default the caller's.
    """
    log = folder / "account.log"
    command = [sys.executable, "-P", "-m", "lab.aws.cloud", "--host", host, "--pace", str(pace)]
    variables = {**(environment or os.environ), "PYTHONPATH": str(CLONE), "MOTO_ACCOUNT_ID": account}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise LabError(f"The rehearsal's account did not start; the reason is in {log}.")
        yield AccountClient(address)
    finally:
        process.terminate()
        process.wait()
