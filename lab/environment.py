"""`.lab/env`: what a person sources, and what the lab itself runs pulumi, kubectl and istioctl with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from lab.paths import Paths
from lab.pki import write_private
from lab.regions import Topology

PASSPHRASE = "lab"
"""Of the local stack's secrets. No secret itself: whoever can read the state in `.lab/pulumi` can read `.lab/env`
beside it. It is fixed so that the salt in Pulumi.local.yaml, which belongs to it, stays the same in every clone and at
every start.
"""


def variables(paths: Paths, topology: Topology) -> dict[str, str]:
    """The variables that tell pulumi, kubectl and istioctl of this lab, PATH excepted: it extends the caller's."""
    kubeconfigs = ":".join(str(paths.region(region.name).kubeconfig) for region in topology.regions)
    return {
        "KUBECONFIG": kubeconfigs,
        "PULUMI_BACKEND_URL": f"file://{paths.pulumi}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_HOME": str(paths.pulumi_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def render(paths: Paths, topology: Topology) -> str:
    """The text of `.lab/env`, for any POSIX shell. Sourced twice it changes nothing more."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables(paths, topology).items()]
    directory = shlex.quote(str(paths.bin))
    return "\n".join(
        (
            "# Source this: . .lab/env",
            *exports,
            f'case ":$PATH:" in *:{directory}:*) ;; *) export PATH={directory}:"$PATH" ;; esac',
            "",
        )
    )


def write(paths: Paths, topology: Topology) -> None:
    """Write `.lab/env`, and make the directories that it names."""
    for directory in (paths.bin, paths.pulumi, paths.pulumi_home):
        directory.mkdir(parents=True, exist_ok=True)
    write_private(paths.environment, render(paths, topology))


def process_environment(paths: Paths, topology: Topology, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command that the lab runs: what a person has after sourcing `.lab/env`."""
    inherited = dict(os.environ if base is None else base)
    inherited.update(variables(paths, topology))
    inherited["PATH"] = f"{paths.bin}:{inherited.get('PATH', os.defpath)}"
    return inherited
