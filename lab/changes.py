"""`make bench CHANGES=1`: what each change of a running mesh takes here, beside the commands of the way by hand.

Seconds and requests are those of the proofs, which make each change under load (`tests/lab`). By hand is what Istio's
own pages have a person type for the lab's two regions and one namespace of services, as lists below: their lengths are
the figure, and how long a person takes for them is not measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from lab.errors import LabError
from lab.paths import Paths

REGIONS = ("use1", "usw2")
UPS = ("up_s", "up_without_it_s", "healing_up_s")
"""Names under which proofs record the seconds of a `pulumi up`."""

_WORKLOADS = (
    "kubectl --context {region} rollout restart deployment -n exam",
    "kubectl --context {region} rollout restart deployment istio-ingress -n istio-ingress",
    "kubectl --context {region} rollout restart deployment istio-eastwestgateway -n istio-system",
)
_AUTHORITY = (
    "kubectl --context {region} create secret generic cacerts -n istio-system --from-file={region}/ "
    "--dry-run=client -o yaml | kubectl --context {region} apply -f -",
    "kubectl --context {region} rollout restart deployment istiod -n istio-system",
    "kubectl --context {region} rollout status deployment istiod -n istio-system",
)


@dataclass(frozen=True)
class ByHand:
    """The documented way.

    Attributes:
        source: Istio's page that it follows.
        once: Commands that are typed once.
        each: Those of every region; `{region}` is its context.
    """

    source: str
    once: Sequence[str] = ()
    each: Sequence[str] = ()

    @property
    def commands(self) -> list[str]:
        """All that is typed, in order."""
        return [*self.once, *(command.format(region=region) for region in REGIONS for command in self.each)]


@dataclass(frozen=True)
class Change:
    """One change of a running mesh.

    Attributes:
        name: What is changed.
        proof: The proof that makes it, below `tests/lab`.
        by_hand: The documented way; None where there is none.
    """

    name: str
    proof: str
    by_hand: ByHand | None


CHANGES = (
    Change(
        "intermediates renewed",
        "test_certificates.py::test_intermediates_are_renewed_under_load",
        ByHand(
            "Plug in CA Certificates",
            each=("make -f tools/certs/Makefile.selfsigned.mk {region}-cacerts", *_AUTHORITY, *_WORKLOADS),
        ),
    ),
    Change(
        "tokens of remote secrets renewed",
        "test_remote_secrets.py::test_tokens_rotate_by_raising_one_number",
        ByHand(
            "Install Multicluster",
            each=(
                "kubectl --context {region} delete secret istio-reader-service-account-istio-remote-secret-token "
                "-n istio-system",
                "istioctl create-remote-secret --context {region} --name={region} > {region}.yaml",
                "kubectl --context $PEER apply -f {region}.yaml",
                "istioctl remote-clusters --context $PEER",
            ),
        ),
    ),
    Change(
        "another root",
        "test_root_rotation.py::test_the_root_is_rotated_under_load",
        ByHand(
            "Plug in CA Certificates, three times: both roots, the new signer, the new root alone",
            once=(
                "make -f tools/certs/Makefile.selfsigned.mk root-ca",
                "cat root-old.pem root-new.pem > root-cert.pem",
            ),
            each=(
                "make -f tools/certs/Makefile.selfsigned.mk {region}-cacerts",
                *(3 * (*_AUTHORITY, *_WORKLOADS)),
            ),
        ),
    ),
    Change(
        "another minor of Istio, and back",
        "test_revisions.py::test_istio_is_brought_to_another_minor_and_back",
        ByHand(
            "Upgrade with Helm (canary, revision tags), twice: there, and back",
            each=2
            * (
                "helm --kube-context {region} upgrade istio-base istio/base -n istio-system --version $TO",
                "helm --kube-context {region} install istiod-$NEW istio/istiod -n istio-system --version $TO "
                "--set revision=$NEW",
                "istioctl --context {region} tag set next --revision $NEW",
                "kubectl --context {region} label namespace exam istio-injection- istio.io/rev=next",
                "kubectl --context {region} rollout restart deployment -n exam",
                "helm --kube-context {region} upgrade istio-eastwestgateway istio/gateway -n istio-system "
                "--version $TO --set revision=$NEW",
                "helm --kube-context {region} upgrade istio-ingress istio/gateway -n istio-ingress "
                "--version $TO --set revision=$NEW",
                "istioctl --context {region} tag set default --revision $NEW --overwrite",
                "kubectl --context {region} rollout restart deployment -n $OTHERS",
                "istioctl --context {region} proxy-status",
                "helm --kube-context {region} uninstall istiod-$OLD -n istio-system",
            ),
        ),
    ),
    Change("a region lost, and back", "test_lost_region.py::test_a_region_is_cut_off", None),
)


@dataclass(frozen=True)
class Measured:
    """What a proof recorded of a change.

    Attributes:
        ups: Seconds of each `pulumi up`.
        sent: Requests meanwhile.
        failed: Those that failed.
    """

    change: Change
    ups: Sequence[float]
    sent: int
    failed: int

    def record(self) -> dict[str, object]:
        """As it stands in `.lab/changes.json`."""
        by_hand = self.change.by_hand
        return {
            "name": self.change.name,
            "ups": list(self.ups),
            "sent": self.sent,
            "failed": self.failed,
            "byHand": None if by_hand is None else {"source": by_hand.source, "commands": by_hand.commands},
        }


def run(paths: Paths, console: Console) -> bool:
    """Make each change in the running lab, and tell of it as `tell` does.

    Raises:
        LabError: The proofs did not run to their end.
    """
    evidence = paths.lab / "changes-evidence.json"
    # That of a run before would pass for this one's where this one is cut off.
    evidence.unlink(missing_ok=True)
    proofs = [f"tests/lab/{change.proof}" for change in CHANGES]
    command = [sys.executable, "-m", "tests.lab", *proofs, "--evidence", str(evidence)]
    subprocess.run(command, cwd=paths.root, env={**os.environ, "FULL": "1"}, check=False)
    return tell(evidence, paths, console)


def tell(evidence: Path, paths: Paths, console: Console) -> bool:
    """Print the table, write `.lab/changes.json`.

    Args:
        evidence: Of a run of the proofs of all changes.
        paths: The lab's folders.
        console: Where the table goes.

    Returns:
        Whether every change was made, and its proof passed.

    Raises:
        LabError: The evidence is not there.
    """
    if not evidence.is_file():
        raise LabError(f"There is no evidence in {evidence}: the proofs of the changes did not run to their end.")
    document = json.loads(evidence.read_text(encoding="utf-8"))
    found = measured(document["rows"])
    show(found, console)
    report = {"date": document["date"], "machine": document["machine"], "rows": [each.record() for each in found]}
    (paths.lab / "changes.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    missing = [change.name for change in CHANGES if change not in [each.change for each in found]]
    for name in missing:
        console.print(f"not proven: {name}", style="red")
    return not missing


def measured(rows: Sequence[Mapping[str, Any]]) -> list[Measured]:
    """The changes among the rows of an evidence file that are proven."""
    proven = {
        str(row["command"]).rpartition("tests/lab/")[2]: row["figures"] for row in rows if row["verdict"] == "proven"
    }
    return [_measured(change, proven[change.proof]) for change in CHANGES if change.proof in proven]


def _measured(change: Change, figures: Mapping[str, Any]) -> Measured:
    steps: Sequence[Mapping[str, Any]] = list(figures["steps"].values()) if "steps" in figures else [figures]
    ups = [float(step[key]) for step in steps for key in UPS if key in step]
    loads = list(_loads(figures))
    return Measured(change, ups, sum(sent for sent, _ in loads), sum(failed for _, failed in loads))


def _loads(figures: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Requests and failures of each load among the figures, however deep it stands."""
    if "sent" in figures and "failed" in figures:
        yield int(figures["sent"]), int(figures["failed"])
    for value in figures.values():
        if isinstance(value, Mapping):
            yield from _loads(cast(Mapping[str, Any], value))


def show(found: Sequence[Measured], console: Console) -> None:
    """Print the table."""
    table = Table(title="make bench CHANGES=1")
    for heading in ("change", "`pulumi up`s", "seconds of them", "requests", "failed", "commands by hand", "as in"):
        table.add_column(heading, justify="left" if heading in ("change", "as in", "seconds of them") else "right")
    for each in found:
        by_hand = each.change.by_hand
        table.add_row(
            each.change.name,
            str(len(each.ups)),
            " ".join(f"{seconds:.1f}" for seconds in each.ups),
            f"{each.sent:,}",
            str(each.failed),
            "" if by_hand is None else str(len(by_hand.commands)),
            "" if by_hand is None else by_hand.source,
        )
    console.print(table)
