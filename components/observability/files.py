"""The dashboards and alerts as files, and the page that lists them: `python -m components.observability.files`."""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from components.observability.alerts import ALERTS, rules
from components.observability.dashboards import DASHBOARDS
from components.observability.grafana import made
from components.observability.metrics import METRICS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "dashboards"
PAGE = ROOT / "docs" / "dashboards.md"
COMMAND = "make dashboards"
_MARK = f"<!-- From here on written by `{COMMAND}` from components/observability: what is changed below is lost. -->"


def rendered() -> dict[Path, str]:
    """Every file with its content. Of the page only what is below the mark is made."""
    content = {
        FOLDER / f"{dashboard.name}.json": json.dumps(made(dashboard), indent=2, sort_keys=True) + "\n"
        for dashboard in DASHBOARDS
    }
    content[FOLDER / "alerts.yaml"] = yaml.safe_dump(rules(), sort_keys=False, width=120)
    written, _, _ = PAGE.read_text(encoding="utf-8").partition(_MARK)
    content[PAGE] = "\n".join([f"{written.rstrip()}\n\n{_MARK}", *_page()]) + "\n"
    return content


def _page() -> Iterator[str]:
    for dashboard in DASHBOARDS:
        yield from ("", f"## {dashboard.title}", "", f"{dashboard.says} `dashboards/{dashboard.name}.json`", "")
        yield "| Panel | What it shows | Unit |"
        yield "|---|---|---|"
        yield from (f"| {panel.title} | {_cell(panel.says)} | {panel.unit} |" for panel in dashboard.panels)
    yield from ("", "## Alerts", "", "`dashboards/alerts.yaml`, for Prometheus as it is.", "")
    yield "| Alert | When, for how long | What to do |"
    yield "|---|---|---|"
    for alert in ALERTS:
        yield f"| {alert.name} ({alert.severity}) | `{_cell(alert.expression)}`, {alert.lasting} | {_cell(alert.do)} |"
    yield from ("", "## Metrics", "", "All that dashboards and alerts ask for.", "")
    yield "| Metric | Told by | What it is |"
    yield "|---|---|---|"
    for metric in METRICS:
        line = f": `{metric.line}`" if metric.line else ""
        yield f"| `{metric.name}` | {metric.source} | {_cell(metric.says)}{line} |"


def _cell(text: str) -> str:
    return text.replace("|", "&#124;")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in rendered().items():
        path.write_text(text, encoding="utf-8")
