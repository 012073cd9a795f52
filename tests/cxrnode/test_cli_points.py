"""Commands of the operating points: the rows that the console's page sets."""

import json

from tests.cxrnode.test_cli import Run, node, run  # noqa: F401 - fixtures

LABEL = "lung_opacity"


def test_points_are_listed_set_and_taken_back(run: Run) -> None:  # noqa: F811
    shown = {entry["finding"]: entry for entry in json.loads(run("points", "list", "--json").stdout)}
    assert (shown[LABEL]["source"], shown[LABEL]["stated"]) == ("package", True)
    tried = run("points", "set", LABEL, "--sensitive", "1", "--specific", "2", "--dry-run")
    assert tried.stdout.endswith("nothing was set\n")
    assert (
        run("points", "set", LABEL, "--sensitive", "1", "--specific", "2").stdout == f"{LABEL}: set for new analyses\n"
    )
    again = {entry["finding"]: entry for entry in json.loads(run("points", "list", "--json").stdout)}[LABEL]
    assert (again["source"], again["points"], again["stated"]) == ("page", {"sensitive": 0.01, "specific": 0.02}, False)
    assert "sensitive one is above" not in run("points", "list").stdout
    assert "must not be above" in run("points", "set", LABEL, "--sensitive", "9", "--specific", "2").stderr
    assert "no finding of this name" in run("points", "set", "tumour", "--sensitive", "1", "--specific", "2").stderr
    assert run("points", "reset", LABEL).stdout == f"{LABEL}: the package holds again\n"
    assert run("points", "reset", LABEL).stdout == f"{LABEL}: nobody had set it, nothing changed\n"
