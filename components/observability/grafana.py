"""Dashboards as Grafana takes them, made with its foundation SDK."""

import json
from typing import Any, cast

from grafana_foundation_sdk.builders.dashboard import Dashboard as DashboardBuilder
from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.table import Panel as TablePanel
from grafana_foundation_sdk.builders.timeseries import Panel as TimeseriesPanel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from components.observability.dashboards import VARIABLES, Dashboard, Panel, Query

DATA_SOURCE = "mesh-prometheus"
"""Name (uid) of the data source that dashboards ask; Grafana's own may have another, which is then chosen on import."""

_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2
_UNITS = {"cores": "short"}
_SOURCE = DataSourceRef(type_val="prometheus", uid=DATA_SOURCE)


def made(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana's JSON."""
    builder = (
        DashboardBuilder(dashboard.title)
        .uid(f"istio-mesh-{dashboard.name}")
        .description(dashboard.says)
        .tags(["istio-mesh"])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        .readonly()
    )
    for name, query in VARIABLES.items():
        variable = QueryVariable(name).query(query).datasource(_SOURCE).include_all(True).all_value(".*").multi(True)
        builder = builder.with_variable(variable)
    for place, panel in enumerate(dashboard.panels):
        builder = builder.with_panel(_panel(panel, place))
    return _said(json.loads(JSONEncoder(sort_keys=True).encode(builder.build())))


def _said(value: Any) -> Any:
    """Without what is null: Grafana has its defaults where nothing is said."""
    if isinstance(value, dict):
        return {key: _said(part) for key, part in cast(dict[str, Any], value).items() if part is not None}
    return [_said(part) for part in cast(list[Any], value)] if isinstance(value, list) else value


def _panel(panel: Panel, place: int) -> TimeseriesPanel | TablePanel:
    where = GridPos(
        h=_HEIGHT, w=_WIDTH, x=_WIDTH * (place % _COLUMNS), y=_HEIGHT * (place // _COLUMNS)
    )  # fmt: skip
    drawn = TablePanel() if panel.instant else TimeseriesPanel().min(0)
    drawn = drawn.title(panel.title).description(panel.says).unit(_UNITS.get(panel.unit, panel.unit))
    drawn = drawn.datasource(_SOURCE).grid_pos(where)
    for index, query in enumerate(panel.queries):
        drawn = drawn.with_target(_query(query, "ABCDEFGH"[index], instant=panel.instant))
    return drawn


def _query(query: Query, reference: str, *, instant: bool) -> Dataquery:
    asked = Dataquery().expr(query.expression).ref_id(reference).datasource(_SOURCE)
    if instant:
        return asked.instant().format(PromQueryFormat.TABLE)
    return asked.range().legend_format(query.name)
