"""All figures of a package: masked where nothing is known, for every group, apart where a place is kept apart."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from config.errors import DataError
from training.evaluation.figures import figures, known_boxes, rsna_thresholds_on
from training.evaluation.predictions import Predictions

Make = Callable[..., Predictions]


def test_a_finding_is_measured_only_where_it_is_known(make: Make) -> None:
    predictions = make()
    part = figures(predictions, resamples=20)["findings"]["lung_opacity"]
    where = [k for k, one in enumerate(predictions.examples) if "lung_opacity" in one.truths]
    truth = [predictions.examples[k].truths["lung_opacity"] for k in where]
    scores = predictions.scores("lung_opacity")[where]
    assert part["pictures"] == len(where) < len(predictions.examples)
    assert part["positives"] == sum(truth)
    assert part["auroc"]["value"] == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-4)
    assert part["auprc"]["value"] == pytest.approx(metrics.average_precision_score(truth, scores), abs=1e-4)
    point = part["points"]["specific"]
    assert point["threshold"] == 0.7
    assert point["f1"]["value"] == pytest.approx(metrics.f1_score(truth, scores >= 0.7), abs=1e-4)


def test_every_figure_lies_in_its_interval_and_the_tree_is_plain_json(make: Make) -> None:
    tree = figures(make(), resamples=300)
    assert json.loads(json.dumps(tree, allow_nan=False)) == tree

    def walk(part: object) -> int:
        if isinstance(part, dict) and set(part) == {"value", "interval"}:
            low, high = part["interval"]
            if part["value"] is not None and low is not None:
                assert low - 1e-9 <= part["value"] <= high + 1e-9
            return 1
        if isinstance(part, dict):
            return sum(walk(one) for one in part.values())
        return 0

    assert walk(tree) > 200


def test_exclusive_classes_are_counted_like_scikit_learn_does(make: Make) -> None:
    predictions = make()
    part = figures(predictions, resamples=20)["classes"]["reads"]
    names = ("normal", "not_normal", "lung_opacity")
    where = [k for k, one in enumerate(predictions.examples) if one.class_of(names) is not None]
    truth = [predictions.examples[k].class_of(names) for k in where]
    shares = predictions.probabilities("reads")[where]
    called = shares.argmax(axis=1)
    assert part["truth_by_row_call_by_column"] == metrics.confusion_matrix(truth, called).tolist()
    assert part["accuracy"]["value"] == pytest.approx(metrics.accuracy_score(truth, called), abs=1e-4)
    assert part["log_loss"]["value"] == pytest.approx(
        metrics.log_loss(truth, shares / shares.sum(axis=1, keepdims=True)), abs=1e-4
    )
    for figure, theirs in (
        ("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score),
    ):  # fmt: skip
        expected = theirs(truth, called, average="macro", zero_division=0)
        assert part[figure]["value"] == pytest.approx(expected, abs=1e-4)


def test_groups_and_contrasts_are_there_when_the_package_and_the_pictures_have_them(make: Make) -> None:
    tree = figures(make(400), resamples=20)
    assert tree["groups"]["nih8"]["findings"] == ["atelectasis", "effusion"]
    values = [tree["findings"][label]["auroc"]["value"] for label in ("atelectasis", "effusion")]
    assert tree["groups"]["nih8"]["auroc"]["value"] == pytest.approx(np.mean(values), abs=1e-4)
    assert {"opacity_normal", "opacity_normal_pa", "opacity_normal_ap", "covid_pneumonia_same_source"} == set(
        tree["contrasts"]
    )
    pair = tree["contrasts"]["covid_pneumonia_same_source"]
    assert pair["positives"] + pair["negatives"] == 80


def test_a_source_that_states_one_of_a_group_alone_does_not_count_in_its_mean(make: Make) -> None:
    predictions = make(400)
    some = [
        replace(one, truths={**one.truths, "effusion": True}) if one.source == "ieee8023" else one
        for one in predictions.examples
    ]
    changed = replace(predictions, examples=tuple(some))
    plain, other = (figures(one, resamples=20) for one in (predictions, changed))
    assert other["groups"]["nih8"] == plain["groups"]["nih8"]
    assert other["findings"]["effusion"]["auroc"] != plain["findings"]["effusion"]["auroc"]


def test_a_place_kept_apart_counts_nowhere_else(make: Make) -> None:
    predictions = make(400)
    inside = figures(predictions, resamples=20)
    apart = figures(predictions, resamples=20, kept_apart=("away/",))
    away = sum(one.file.startswith("away/") for one in predictions.examples)
    assert apart["pictures"] == inside["pictures"] - away
    assert apart["kept_apart"]["pictures"] == away
    assert apart["kept_apart"]["contrasts"]["covid_others"]["auroc"]["value"] > 0.5
    assert inside["kept_apart"] is None


def test_subgroups_are_parts_and_small_ones_say_nothing(make: Make) -> None:
    part = figures(make(), resamples=20)["findings"]["lung_opacity"]
    groups = part["subgroups"]
    both = groups["women"], groups["men"]
    assert sum(one["positives"] for one in both) == part["positives"]
    assert "read by radiologists" not in groups  # everybody is: a group that is everyone says nothing new
    few = figures(make(30), resamples=20)["findings"]["lung_opacity"]["subgroups"]
    assert any("auroc" not in group for group in few.values())


def test_boxes_are_measured_where_their_truth_is_complete(make: Make) -> None:
    predictions = make()
    where = known_boxes(predictions, "lung_opacity")
    assert all("lung_opacity" in predictions.examples[k].boxed for k in where)
    thresholds = rsna_thresholds_on(predictions)
    assert set(thresholds) == {"lung_opacity"}
    part = figures(predictions, resamples=20, rsna_thresholds=thresholds)["boxes"]["lung_opacity"]
    plain = figures(predictions, resamples=20)["boxes"]["lung_opacity"]
    assert part["rsna_map"]["threshold"] == thresholds["lung_opacity"]
    assert part["rsna_map"]["score"]["value"] >= plain["rsna_map"]["score"]["value"]
    assert 0.5 < part["ap50"]["value"] <= 1


def test_no_picture_is_an_error_not_a_figure(make: Make) -> None:
    with pytest.raises(DataError, match="no picture"):
        figures(make().only([]))


def test_all_figures_of_a_fold_take_seconds(make: Make) -> None:
    predictions = make(800)
    started = time.process_time()
    figures(predictions)
    assert time.process_time() - started < 30
