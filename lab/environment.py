"""`.lab/env`: what a person sources, and what the lab itself runs pulumi, kubectl and istioctl with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from lab.paths import Paths
from lab.pki import write_private
from lab.regions import Topology

PASSPHRASE = "lab"
"""Of the local stack's secrets. No secret itself, as it stands here: what keeps the state to its owner is that nobody
else may enter `.lab`. It is fixed so that the salt in Pulumi.local.yaml, which belongs to it, stays the same in every
clone and at every start.
"""

NO_PROXY = ("NO_PROXY", "no_proxy")
"""Programs read the one or the other; Go's, which all of the lab's are, take ranges of addresses in both."""


def variables(paths: Paths, topology: Topology) -> dict[str, str]:
    """The variables that tell pulumi, kubectl and istioctl of this lab; PATH and NO_PROXY excepted, as they extend the
    caller's.
    """
    kubeconfigs = ":".join(str(paths.region(region.name).kubeconfig) for region in topology.regions)
    return {
        "KUBECONFIG": kubeconfigs,
        "PULUMI_BACKEND_URL": f"file://{paths.pulumi}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_HOME": str(paths.pulumi_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def unproxied(topology: Topology) -> str:
    """The lab's addresses that this machine reaches, as NO_PROXY lists them: a proxy would look for them elsewhere."""
    return ",".join(str(cidr) for cidr in topology.host_ranges.values())


def render(paths: Paths, topology: Topology) -> str:
    """The text of `.lab/env`, for any POSIX shell. Sourced twice it changes nothing more."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables(paths, topology).items()]
    directory, direct = shlex.quote(str(paths.bin)), unproxied(topology)
    # A variable inside of the pattern would be a pattern itself, so the range is written out.
    proxies = [
        f'case ",${name}," in *,{direct},*) ;; *) export {name}="${{{name}:+${name},}}{direct}" ;; esac'
        for name in NO_PROXY
    ]
    return "\n".join(
        (
            "# Source this: . .lab/env",
            *exports,
            *proxies,
            f'case ":$PATH:" in *:{directory}:*) ;; *) export PATH={directory}:"$PATH" ;; esac',
            "",
        )
    )


def write(paths: Paths, topology: Topology) -> None:
    """Write `.lab/env`, and make the directories that it names."""
    paths.make_private()
    for directory in (paths.bin, paths.pulumi_home):
        directory.mkdir(parents=True, exist_ok=True)
    write_private(paths.environment, render(paths, topology))


def temporary(paths: Paths) -> dict[str, str]:
    """The variable that leads temporary files to the folder which goes with the lab; makes the folder."""
    paths.temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {"TMPDIR": str(paths.temporary)}


def process_environment(paths: Paths, topology: Topology, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command that the lab runs: what a person has after sourcing `.lab/env`, and a folder for
    temporary files that goes with the lab. A person's shell outlives it.
    """
    inherited = dict(os.environ if base is None else base)
    inherited.update(variables(paths, topology))
    inherited.update(temporary(paths))
    direct = unproxied(topology)
    for name in NO_PROXY:
        before = inherited.get(name, "")
        if f",{direct}," not in f",{before},":
            inherited[name] = f"{before},{direct}" if before else direct
    inherited["PATH"] = f"{paths.bin}:{inherited.get('PATH', os.defpath)}"
    return inherited
