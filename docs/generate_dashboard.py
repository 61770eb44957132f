"""Write templates/dashboards/grafana.json with Grafana's own foundation SDK (pip install
grafana-foundation-sdk).

usage: generate_dashboard.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, List, Tuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

TARGET = Path(__file__).resolve().parent.parent / "templates" / "dashboards" / "grafana.json"
D = "openclaw_doctor_"
ONE = '{instance=~"$instance"}'
# One panel has a title, its queries with their legends, a unit and a kind.
Row = Tuple[str, List[Tuple[str, str]], str, str]

FLEET: List[Row] = [
    ("Gateways up", [("sum(%sup)" % D, "up")], "none", "stat"),
    ("Not ready", [("count(%sready == 0) or vector(0)" % D, "not ready")], "none", "bad"),
    ("Open incidents", [("count(%sincident_open == 1) or vector(0)" % D, "open")], "none", "bad"),
    (
        "Not watched",
        [("count(time() - %slast_tick_timestamp > 120) or vector(0)" % D, "not watched")],
        "none",
        "bad",
    ),
    (
        "Availability, 30 days",
        [('min(%savailability_ratio{window="30d"})' % D, "worst")],
        "percentunit",
        "stat",
    ),
    (
        "Half are back within",
        [("histogram_quantile(0.5, sum by (le) (%sheal_seconds_bucket))" % D, "median")],
        "s",
        "stat",
    ),
    ("State of each gateway", [("%sstate == 1" % D, "{{instance}}: {{state}}")], "none", "table"),
    (
        "Versions of the doctor",
        [("count by (version) (%sbuild_info)" % D, "{{version}}")],
        "none",
        "table",
    ),
]
GATEWAY: List[Row] = [
    (
        "Up and ready",
        [("%sup%s" % (D, ONE), "up"), ("%sready%s" % (D, ONE), "ready")],
        "none",
        "line",
    ),
    (
        "Time out of service",
        [("increase(%sdowntime_seconds_total%s[1h])" % (D, ONE), "seconds an hour")],
        "s",
        "line",
    ),
    (
        "Incidents",
        [("sum by (outcome) (%sincidents_total%s)" % (D, ONE), "{{outcome}}")],
        "none",
        "line",
    ),
    (
        "Restarts and crashes",
        [("%srestarts_total%s" % (D, ONE), "{{reason}}")],
        "none",
        "line",
    ),
    (
        "Time to recover",
        [
            (
                "histogram_quantile(%s, sum by (le) (%sheal_seconds_bucket%s))" % (q, D, ONE),
                "p%.0f" % (100 * q),
            )
            for q in (0.5, 0.95)
        ],
        "s",
        "line",
    ),
    (
        "Availability",
        [("%savailability_ratio%s" % (D, ONE), "{{window}}")],
        "percentunit",
        "line",
    ),
    (
        "Memory",
        [
            ("%smemory_bytes%s" % (D, ONE), "{{of}}"),
            ("%smemory_limit_bytes%s" % (D, ONE), "limit"),
        ],
        "bytes",
        "line",
    ),
    ("Response time", [("%sprobe_seconds%s" % (D, ONE), "one probe")], "s", "line"),
    (
        "Free disk, databases",
        [
            ("%sdisk_free_bytes%s" % (D, ONE), "free"),
            ("%sdatabase_bytes%s" % (D, ONE), "databases"),
        ],
        "bytes",
        "line",
    ),
    (
        "Alerts",
        [
            ("%salerts_waiting%s" % (D, ONE), "waiting"),
            ("sum by (result) (%salerts_sent_total%s)" % (D, ONE), "{{result}}"),
        ],
        "none",
        "line",
    ),
    (
        "Age of the good copy",
        [("%sgood_copy_age_seconds%s" % (D, ONE), "good copy")],
        "s",
        "line",
    ),
    (
        "Since the last look",
        [("time() - %slast_tick_timestamp%s" % (D, ONE), "seconds")],
        "s",
        "line",
    ),
]


def _panel(row: Row) -> Any:
    title, queries, unit, kind = row
    make: Any = {"line": timeseries, "table": table}.get(kind, stat)
    panel = make.Panel().title(title).unit(unit).datasource(_source())
    panel = panel.height(7 if kind in ("line", "table") else 4)
    panel = panel.span(12 if kind in ("line", "table") else 4)
    for expression, legend in queries:
        query = prometheus.Dataquery().expr(expression).legend_format(legend)
        panel = panel.with_target(query.instant() if kind != "line" else query)
    if kind == "bad":
        steps = [
            models.Threshold(value=None, color="green"),
            models.Threshold(value=1, color="red"),
        ]
        mode = models.ThresholdsMode.ABSOLUTE
        panel = panel.thresholds(dashboard.ThresholdsConfig().mode(mode).steps(steps))
    if kind == "line":
        legend_ = common.VizLegendOptions().show_legend(True)
        panel = panel.legend(legend_).min(0).fill_opacity(10)
    return panel


def _source() -> Any:
    return models.DataSourceRef(type_val="prometheus", uid="${source}")


def build() -> str:
    """Return the dashboard as JSON."""
    board = dashboard.Dashboard("OpenClaw: up, ready, repaired, told").uid("openclaw-doctor")
    board = board.tags(["openclaw"]).refresh("30s").time("now-6h", "now").timezone("browser")
    source = dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus")
    names = (
        dashboard.QueryVariable("instance")
        .label("Gateway")
        .query("label_values(%sup, instance)" % D)
        .datasource(_source())
        .multi(True)
        .include_all(True)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    )
    board = board.with_variable(source).with_variable(names)
    for title, rows in (("All gateways", FLEET), ("One gateway", GATEWAY)):
        board = board.with_row(dashboard.Row(title))
        for row in rows:
            board = board.with_panel(_panel(row))
    return JSONEncoder(sort_keys=True, indent=1).encode(board.build()) + "\n"


def main() -> int:
    text = build()
    if "--check" in sys.argv:
        return int(TARGET.read_text("utf-8") != text)
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
