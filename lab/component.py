"""One component of a running region, started and stopped alone."""

from __future__ import annotations

import signal
import socket
import time
from functools import cached_property
from pathlib import Path

import httpx

from lab import components, network, pki
from lab.component_model import Component, Setting
from lab.errors import LabError
from lab.kube_api import KubeApi
from lab.machine import RegionMachine, last_line
from lab.processes import ProcessIdentity
from lab.waiting import wait_for


class ComponentHandle:
    """One component of a running region, to be started and stopped alone."""

    def __init__(self, name: str, setting: Setting, machine: RegionMachine) -> None:
        if name not in components.BUILDERS:
            raise LabError(f"There is no component `{name}`; there are {', '.join(components.NAMES)}.")
        self.name = name
        self._setting = setting
        self._machine = machine
        self._region = setting.region
        self._paths = setting.paths

    @property
    def _identity_file(self) -> Path:
        return self._paths.run / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        """What it has written."""
        return self._paths.log / f"{self.name}.log"

    @property
    def process(self) -> ProcessIdentity | None:
        """Its process; None where it does not run."""
        identity = ProcessIdentity.read(self._identity_file)
        return identity if identity and identity.alive else None

    @cached_property
    def _component(self) -> Component:
        return components.BUILDERS[self.name](self._setting)

    def start(self, deadline: float = 60) -> None:
        """Start it, unless it runs, and wait until it serves."""
        self.launch()
        self.wait_until_serving(deadline)

    def launch(self) -> None:
        """Start it, unless it runs, and wait for nothing."""
        if self.process is None:
            component = self._component
            for path, content in component.files.items():
                pki.write_private(path, content)
            identity = self._machine.spawn(component.arguments, self.log, component.environment)
            identity.write(self._identity_file)

    def wait_until_serving(self, deadline: float = 60) -> None:
        """Wait until it answers.

        Raises:
            LabError: It ended, or did not answer in time; names the log and its last line.
        """
        component = self._component

        def serving() -> bool:
            if self.process is None:
                raise LabError(
                    f"{self._region.name}: {self.name} ended at once: {last_line(self.log)} (see {self.log})."
                )
            return self._answers(component.probe)

        wait_for(
            serving,
            deadline=deadline,
            what=f"{self._region.name}'s {self.name} to serve (see {self.log})",
            interval=0.1,
        )

    @property
    def serving(self) -> bool:
        """Whether it runs and answers now."""
        try:
            return self.process is not None and self._answers(self._component.probe)
        except (OSError, httpx.HTTPError):
            return False

    def _answers(self, probe: str | None) -> bool:
        if probe is None:
            return True
        if probe.startswith("/"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self._machine.file(probe)))
            return True
        if probe.startswith("https://"):
            with KubeApi(self._paths.kubeconfig) as api:
                return api.ready()
        if probe.startswith("http://"):
            return network.call_inside(
                self._region.namespace, lambda: httpx.get(probe, trust_env=False, timeout=2).is_success
            )
        host, _, port = probe.rpartition(":")

        def accepts() -> bool:
            with socket.create_connection((host, int(port)), timeout=2):
                return True

        return network.call_inside(self._region.namespace, accepts)

    def stop(self) -> None:
        """Ask it to end, and kill it when it takes too long."""
        process = self.process
        if process is not None:
            process.kill(signal.SIGTERM)
            limit = time.monotonic() + self._component.stop_deadline

            def gone() -> bool:
                if process.alive and time.monotonic() > limit:
                    process.kill(signal.SIGKILL)
                return not process.alive

            wait_for(gone, deadline=self._component.stop_deadline + 5, what=f"{self.name} to end", interval=0.05)
        self._identity_file.unlink(missing_ok=True)
