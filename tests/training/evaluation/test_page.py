"""Pages: whole, offline, escaped, without patients' pictures unless asked for, and loud where figures flatter."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup

from inference.pixels import Picture
from training.evaluation import plots
from training.evaluation.cases import case_rows, chosen
from training.evaluation.charts import Chart, interval_bar, thinned
from training.evaluation.compare import compare
from training.evaluation.evaluate import document
from training.evaluation.page import compare_page, report_page
from training.evaluation.predictions import Predictions
from training.evaluation.record import Record

Make = Callable[..., Predictions]
VOID = {"meta", "br", "link", "img", "input", "hr"}


class _Tags(HTMLParser):
    """Checks that every tag is closed, in order, and remembers ids and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _checked(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    for link in tags.links:
        assert link.startswith(("#", "data:"))
        assert not link.startswith("#") or link[1:] in tags.ids
    assert "<script" not in page
    assert "http" not in page
    return tags


def _gray(_example: object) -> Picture:
    return Picture(np.linspace(0, 1, 64 * 48, dtype=np.float32).reshape(64, 48))


def test_a_report_is_one_whole_page_that_needs_nothing_else(make: Make) -> None:
    predictions = make()
    page = report_page(predictions, document(predictions, Record.of({}), data="drawn", resamples=50))
    tags = _checked(page)
    assert "Research use only" in page
    for label in predictions.labels:
        assert label in tags.ids
    assert page.count('class="chart"') == 4 * len(predictions.labels) + 2
    assert "data:image" not in page
    assert predictions.examples[0].file not in page


def test_pictures_are_shown_only_to_whoever_asks(make: Make) -> None:
    predictions = make(60)
    page = report_page(predictions, document(predictions, Record.of({}), resamples=50), _gray)
    _checked(page)
    assert page.count("data:image/jpeg;base64,") >= 20
    assert 'class="true"' in page
    assert 'class="found sure"' in page


def test_figures_that_flatter_are_marked_loudly(make: Make) -> None:
    predictions = make(60)
    fitted = replace(predictions, used=("training",) * 20 + ("validation",) * 5 + ("test",) * 35)
    made = document(fitted, Record.of({}), resamples=50)
    assert made["seen"] == {"training": 20, "validation": 5}
    page = report_page(fitted, made)
    assert "These figures flatter." in page
    assert "20 of the pictures are of patients that the package was fitted on" in page
    assert "flatter" not in report_page(predictions, document(predictions, Record.of({}), resamples=50))


def test_a_place_kept_apart_has_a_section_of_its_own(make: Make) -> None:
    predictions = make(400)
    record = Record.of({"recipe": {"data": {"kept_apart": ["away/"]}}})
    page = report_page(predictions, document(predictions, record, resamples=50))
    assert "apart" in _checked(page).ids


def test_words_of_others_are_escaped(make: Make) -> None:
    predictions = make(60)
    evil = replace(
        predictions,
        package=replace(predictions.package, title="<script>x</script>"),
        examples=tuple(replace(one, file=f"<b>{one.file}") for one in predictions.examples),
    )
    page = report_page(evil, document(evil, Record.of({}), resamples=50), _gray)
    assert "<script>" not in page
    assert "<b>here" not in page


def test_a_finding_that_everybody_has_gets_no_curves_but_no_error(make: Make) -> None:
    predictions = make(60)
    sick = tuple(
        replace(one, truths={**one.truths, "effusion": True}) if "effusion" in one.truths else one
        for one in predictions.examples
    )
    all_sick = replace(predictions, examples=sick)
    made = document(all_sick, Record.of({}), resamples=50)
    assert made["figures"]["findings"]["effusion"]["auroc"]["value"] is None
    json.dumps(made, allow_nan=False)
    _checked(report_page(all_sick, made))


def test_a_comparison_is_one_whole_page(make: Make) -> None:
    made = compare(make(noise=1.0, name="good"), make(noise=6.0, name="bad"), resamples=50)
    page = compare_page(made)
    _checked(page)
    assert "▲ ahead" in page
    assert made["sentence"].split(";")[0] in page


def test_best_and_worst_cases_are_the_ends_of_the_scores_one_a_patient(make: Make) -> None:
    predictions = make()
    rows = chosen(predictions, "lung_opacity")
    scores, truth = predictions.scores("lung_opacity"), predictions.true("lung_opacity")
    assert scores[rows["missed"][0]] == scores[truth].min()
    where, known = predictions.known("lung_opacity")
    assert scores[rows["false"][0]] == scores[where[~known]].max()
    for members in rows.values():
        patients = [predictions.examples[index].patient for index in members]
        assert len(patients) == len(set(patients)) == 5
    drawn = case_rows(predictions, "lung_opacity", _gray)
    assert [row.kind for row in drawn] == ["missed", "false", "right", "clear"]


def test_a_chart_stays_on_its_paper(make: Make) -> None:
    predictions = make()
    where, truth = predictions.known("normal")
    scores = predictions.scores("normal")[where]
    for svg in (plots.histogram_plot(scores, truth, {"sensitive": 0.3, "specific": 0.7}),
                plots.pr_plot(scores, truth, {"sensitive": 0.3, "specific": 1.0})):  # fmt: skip
        for numbers in re.findall(r' d="M([^"]+)"', svg):
            for place in re.findall(r"(-?\d+\.\d) (-?\d+\.\d)", numbers):
                assert 0 <= float(place[0]) <= 340
                assert 0 <= float(place[1]) <= 300


def test_thinning_keeps_the_ends_and_the_shape() -> None:
    xs = np.linspace(0, 1, 5000)
    thin = thinned(xs, np.floor(xs * 900) / 900)
    assert len(thin[0]) <= 160
    assert (thin[0][0], thin[0][-1]) == (0, 1)


def test_an_undefined_figure_has_no_bar_and_wilson_stays_inside() -> None:
    assert interval_bar(None, None, None) == Markup("")
    assert "circle" in interval_bar(0.8, 0.7, 0.9)
    assert plots.wilson(0.0, 10)[0] == 0
    assert plots.wilson(1.0, 10)[1] == pytest.approx(1)
    assert "&lt;" in Chart((0, 1), (0, 1), "<x>", "y", "about").svg()


def test_templates_are_shipped_with_the_package() -> None:
    import training.evaluation

    folder = Path(training.evaluation.__file__).parent / "templates"
    assert {"base.html", "report.html", "compare.html", "page.css"} <= {entry.name for entry in folder.iterdir()}


def test_where_nobody_can_tell_whom_a_package_learnt_from_the_page_says_so(make: Make) -> None:
    predictions = make(60)
    untold = replace(predictions, used=("unknown",) * 60)
    made = document(untold, Record.of({}), resamples=50)
    assert made["seen"] == {"unknown": 60}
    page = report_page(untold, made)
    assert "These figures may flatter." in page
    assert "of 60 of the pictures nobody can tell whether it learnt from their patients" in page
    assert "These figures flatter." not in page
    compared = compare_page(compare(untold, predictions, resamples=50))
    assert "This comparison may flatter drawn 1.0.0." in compared
    assert "This comparison flatters" not in compared
