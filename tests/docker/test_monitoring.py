"""Alert rules and dashboard: every metric and label they name is one of ``/metrics``, every runbook is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown.extensions.toc import slugify

from config.settings import Settings
from console.pages.metrics import NodeCollector
from console.site import Site
from tracking.engine.database import Database

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docker" / "monitoring"
OF_PROMETHEUS = {"up"}
"""Metrics that Prometheus makes of a scrape itself."""
TARGET_LABELS = {"job", "instance"}
_SELECTOR = re.compile(r"\b(?P<metric>cxrnode_\w+|up)\b(?:\{(?P<labels>[^}]*)\})?")
_GROUPED = re.compile(r"\bby \((?P<labels>[^)]*)\)")

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def exposed(settings: Settings, database: Database) -> dict[str, set[str]]:
    """Return the labels of each metric that the node exposes, by the name of its samples."""
    site = Site.__new__(Site)
    object.__setattr__(site, "settings", settings)
    object.__setattr__(site, "database", database)
    ends = {"counter": "_total", "info": "_info"}
    return {
        family.name + ends.get(family.type, ""): {"version"} if family.type == "info" else set(family._labelnames)
        for family in NodeCollector(site).collect()
    }


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    dashboard: dict[str, Any] = json.loads((MONITORING / "grafana.json").read_text(encoding="utf-8"))
    return list(dashboard["panels"])


def unknown(expression: str, exposed: dict[str, set[str]]) -> Iterator[str]:
    """Yield what an expression names and the node does not expose."""
    named: set[str] = set()
    for selector in _SELECTOR.finditer(expression):
        metric = selector["metric"]
        if metric not in exposed and metric not in OF_PROMETHEUS:
            yield metric
        labels = exposed.get(metric, set()) | TARGET_LABELS
        named |= labels
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector["labels"] or ""):
            if label not in labels:
                yield f"{metric}{{{label}}}"
    for grouped in _GROUPED.finditer(expression):
        yield from (label for label in re.split(r",\s*", grouped["labels"]) if label not in named)


@sqlite
def test_every_metric_that_alerts_and_dashboard_name_is_exposed(exposed: dict[str, set[str]]) -> None:
    expressions = [rule["expr"] for rule in rules()]
    expressions += [target["expr"] for panel in panels() for target in panel["targets"]]
    assert len(expressions) > 25
    assert {name for expression in expressions for name in unknown(expression, exposed)} == set()
    used = {found["metric"] for expression in expressions for found in _SELECTOR.finditer(expression)}
    assert used >= set(exposed), "each metric is shown or watched"
    assert list(unknown('sum by (x) (cxrnode_gone{y="1"})', exposed)) == ["cxrnode_gone", "cxrnode_gone{y}", "x"]
    # What an alert or a legend says, too.
    for rule in rules():
        labels = {label for found in _SELECTOR.finditer(rule["expr"]) for label in exposed.get(found["metric"], ())}
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= labels | TARGET_LABELS
    for panel in panels():
        for target in panel["targets"]:
            found = {name for match in _SELECTOR.finditer(target["expr"]) for name in exposed[match["metric"]]}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= found | TARGET_LABELS


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    page = (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
    parts = {slugify(heading, "-"): heading for heading in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["labels"]["severity"] in {"critical", "warning"}
        file, _, part = rule["annotations"]["runbook"].partition("#")
        assert (file, part in parts) == ("alarms.md", True), rule["alert"]
        assert f"`{rule['alert']}` ({rule['labels']['severity']})" in page.partition(f"## {parts[part]}")[2]


def test_panels_do_not_overlap_and_ask_for_the_chosen_node() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel["targets"]:
            for found in _SELECTOR.finditer(target["expr"]):
                assert 'instance=~"$instance"' in (found["labels"] or "")


def test_prometheus_is_told_of_the_rules() -> None:
    settings = yaml.safe_load((MONITORING / "prometheus.yaml").read_text(encoding="utf-8"))
    assert settings["rule_files"] == ["alerts.yaml"]
    assert [job["job_name"] for job in settings["scrape_configs"]] == ["cxrnode"]
