"""Writes deploy/grafana/dashboards/*.json with Grafana's own builders; `--check` exits 1 where a file differs."""

import sys
from pathlib import Path

from dashboard_panels import TEACHERS, TRAINING, Dashboard, Panel
from dashboard_system import SYSTEM
from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode, VisibilityMode
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

FOLDER = Path(__file__).parents[1] / "deploy/grafana/dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
PANEL_HEIGHT = 8


def chart(panel: Panel) -> timeseries.Panel:
    """A time series panel."""
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    made = timeseries.Panel().title(panel.title).description(panel.meaning).datasource(SOURCE)
    made = made.unit(panel.unit).span(panel.span).height(PANEL_HEIGHT)
    made = made.legend(legend.show_legend(True)).show_points(VisibilityMode.NEVER).span_nulls(True)
    lowest, highest = panel.bounds
    made = made if lowest is None else made.min(lowest)
    made = made if highest is None else made.max(highest)
    if panel.stacked:
        made = made.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
    for number, (expression, label) in enumerate(panel.series.items()):
        query = prometheus.Dataquery().expr(expression).legend_format(label).ref_id(chr(ord("A") + number))
        made = made.with_target(query)
    return made


def built(spec: Dashboard) -> str:
    """The dashboard's JSON."""
    made = dashboard.Dashboard(spec.title).uid(f"socratic-{spec.uid}").description(spec.meaning).tags(["socraticpo"])
    made = (
        made.readonly().tooltip(DashboardCursorSync.CROSSHAIR).time("now-1h", "now").refresh("10s").timezone("browser")
    )
    for row in spec.rows:
        made = made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(chart(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def main(arguments: list[str]) -> int:
    """Write, or compare."""
    wanted = {FOLDER / f"{spec.uid}.json": built(spec) for spec in (TRAINING, TEACHERS, SYSTEM)}
    if "--check" in arguments:
        found = {path: path.read_text() for path in FOLDER.glob("*.json")}
        return 0 if found == wanted else 1
    for path, text in wanted.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
