"""Records the lab for the tests without one: `python -m tests.observability.record`, while `make up`'s regions run.

Of each metric and region the first series are kept, for a few minutes under load."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from components.observability.metrics import METRICS
from lab.paths import Paths
from lab.regions import load_regions
from lab.waiting import wait_for
from tests.lab.support.commands import sourced
from tests.lab.support.site import EXAM, WEB, Site, url_of
from tests.lab.support.traffic import loaded
from tests.lab.support.watch import watched
from tests.observability.recorded import LAB, STEP

MINUTES = 2
MOST = 2  # series of each metric, region and further labels that histograms and kinds have
GATEWAYS = frozenset({"istio-eastwestgateway", "istio-ingress"})  # of each, alerts ask for one
EACH = frozenset({"le", "type", "status", "cluster_type", "version"})  # labels whose every value is kept


def main() -> None:
    env = sourced(Paths().environment)
    sites = {region.name: Site.of(region, env) for region in load_regions().regions}
    with tempfile.TemporaryDirectory() as folder, watched(sites, Path(folder)) as (view, _):
        callers = [(site.caller(EXAM, WEB), url_of("exam-service", EXAM)) for site in sites.values()]
        with loaded(callers, rate=5):
            until = time.time() + 60 * MINUTES
            wait_for(lambda: time.time() > until, deadline=60 * MINUTES + 30, what="the end of the recording")
        end = time.time() - STEP
        kept: list[dict[str, object]] = []
        seen: dict[tuple[str, ...], int] = {}
        for metric in METRICS:
            for name in metric.series:
                found = view.get("query_range", query=name, start=end - 60 * MINUTES + STEP * 2, end=end, step=STEP)
                longest = max((len(series["values"]) for series in found["result"]), default=0)
                for series in sorted(found["result"], key=lambda series: json.dumps(series["metric"], sort_keys=True)):
                    labels = series["metric"]
                    said = f"{labels['job']} {labels.get('app') if labels.get('app') in GATEWAYS else ''}"
                    key = (name, labels["mesh_cluster"], said, *(labels[key] for key in sorted(EACH & set(labels))))
                    if len(series["values"]) < longest or seen.get(key, 0) >= MOST:
                        continue
                    seen[key] = seen.get(key, 0) + 1
                    plain = {key: value for key, value in labels.items() if key != "instance"}
                    kept.append({"labels": plain, "values": [value for _, value in series["values"]]})
    lines = ",\n".join(json.dumps(series, sort_keys=True) for series in kept)
    LAB.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
