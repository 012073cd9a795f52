"""What a run file takes from all figures."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from training.evaluation.figures import figures
from training.evaluation.headline import headline, holdout_run
from training.evaluation.predictions import Predictions

Make = Callable[..., Predictions]


def test_exclusive_classes_give_accuracy_and_means(make: Make) -> None:
    tree = figures(make(), resamples=50)
    found = headline(tree)
    assert found["accuracy"].value == tree["classes"]["reads"]["accuracy"]["value"]
    assert found["auroc:lung_opacity"].value == tree["findings"]["lung_opacity"]["auroc"]["value"]
    assert found["ap50:lung_opacity"].value == tree["boxes"]["lung_opacity"]["ap50"]["value"]
    assert found["auroc_mean"].value == tree["groups"]["nih8"]["auroc"]["value"]


def test_a_yes_or_no_package_gives_what_is_called_from_half_on(make: Make) -> None:
    predictions = make()
    place = predictions.labels.index("covid19")
    single = replace(
        predictions,
        findings=(predictions.findings[place],),
        heads=(),
        said=tuple(replace(said, scores=(said.scores[place],), heads=(), boxes=None) for said in predictions.said),
    )
    tree = figures(single, resamples=50)
    found = headline(tree)
    where, truth = single.known("covid19")
    called = single.scores("covid19")[where] >= 0.5
    assert found["accuracy"].value == pytest.approx((called == truth).mean(), abs=1e-4)
    assert found["recall"].value == pytest.approx(called[truth].mean(), abs=1e-4)
    run = holdout_run("a", tree, by="patient", protocol={"list": "x.csv"})
    assert run.file_name == "a-holdout-by-patient.json"
    assert run.protocol["pictures"] == tree["pictures"]


def test_of_several_independent_findings_none_speaks_for_all(make: Make) -> None:
    predictions = make()
    places = [place for place, label in enumerate(predictions.labels) if label not in {"normal", "covid19"}]
    several = replace(
        predictions,
        findings=tuple(predictions.findings[place] for place in places),
        heads=(),
        said=tuple(
            replace(said, scores=tuple(said.scores[place] for place in places), heads=(), boxes=None)
            for said in predictions.said
        ),
    )
    found = headline(figures(several, resamples=20))
    assert len(places) > 2
    assert "auroc_mean" in found
    assert not {"accuracy", "precision", "recall", "f1", "auroc", "log_loss", "ece"} & set(found)


def test_accuracies_on_what_was_learnt_and_chosen_on_stand_beside_the_others(make: Make) -> None:
    tree = figures(make(), resamples=50)
    learnt = {name: value.as_json() for name, value in headline(tree).items()}
    parts = {"training": learnt, "validation": {"auroc": learnt["auroc_mean"]}}
    run = holdout_run("a", tree, by="image", protocol={}, known_parts=parts)
    assert run.figures["accuracy_training"] == run.figures["accuracy"]
    assert "accuracy_validation" not in run.figures
