"""The lab's regions in a rehearsal: what stands behind EKS clusters, and what the account's decisions do to their
network."""

from __future__ import annotations

import base64
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager

import yaml

from lab import network
from lab.aws.rehearsal.account import AccountClient
from lab.aws.rehearsal.controller import Controller, Loop
from lab.aws.rehearsal.ways import Way, hook, rules, unhook
from lab.errors import LabError
from lab.kube_api import KubeApi
from lab.pki import RegionPki
from lab.region import RegionRuntime

INTERVAL = 0.5
"""Seconds between two looks at which ways are open."""


def back(account: AccountClient, runtimes: Sequence[RegionRuntime]) -> None:
    """Let the clusters that the account makes in each region of AWS be the region of the lab that bears its label."""
    for each in runtimes:
        config = yaml.safe_load(each.paths.kubeconfig.read_text(encoding="utf-8"))
        cluster = config["clusters"][0]["cluster"]
        account.order(
            "back",
            region=each.region.region,
            endpoint=cluster["server"],
            authority=base64.b64decode(cluster["certificate-authority-data"]).decode(),
            kubeconfig=str(each.paths.kubeconfig),
            signing_key=str(RegionPki(each.paths.pki).service_account.key),
        )


class Enforcement:
    """Keeps the regions' packet filters at what the account has open, until `end`."""

    def __init__(self, account: AccountClient, runtimes: Sequence[RegionRuntime]) -> None:
        self._account, self._runtimes = account, tuple(runtimes)
        self._last: set[Way] | None = None
        self._over = threading.Event()
        self.look()
        for each in self._runtimes:
            self._iptables(each, *hook())
        self._thread = threading.Thread(target=self._run, name="ways", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Bring the filters to what is open now."""
        found = {Way(**each) for each in self._account.order("ways")}
        if found == self._last:
            return
        for each in self._runtimes:
            network.run(
                *each.machine.enter("iptables-restore", "--noflush"),
                stdin=rules(each.topology, each.region.name, found),
                variables=each.machine.environment,
            )
        self._last = found

    def _run(self) -> None:
        while not self._over.wait(INTERVAL):
            try:
                self.look()
            except LabError:
                # The account is busy, or at its end: what was open stays so until the next look.
                continue

    def end(self) -> None:
        """Leave the regions' packet filters as they were."""
        self._over.set()
        self._thread.join()
        for each in self._runtimes:
            for words in unhook():
                self._iptables(each, *words, check=False)

    @staticmethod
    def _iptables(runtime: RegionRuntime, *words: str, check: bool = True) -> None:
        network.run(*runtime.machine.enter("iptables", *words), variables=runtime.machine.environment, check=check)


@contextmanager
def at_work(
    account: AccountClient, runtimes: Sequence[RegionRuntime], clusters: dict[str, str]
) -> Generator[list[Controller]]:
    """Everything that the lab does of AWS, for as long as the block lasts.

    Args:
        account: The account.
        runtimes: The lab's regions.
        clusters: Name of the EKS cluster by region of AWS.
    """
    back(account, runtimes)
    with ExitStack() as stack:
        controllers = [
            Controller(
                stack.enter_context(KubeApi(each.paths.kubeconfig)),
                account,
                region=each.region.region,
                cluster=clusters[each.region.region],
            )
            for each in runtimes
        ]
        enforcement = Enforcement(account, runtimes)
        stack.callback(enforcement.end)
        loop = Loop(controllers, [each.paths.run / "balancers" for each in runtimes])
        stack.callback(loop.end)
        yield controllers
