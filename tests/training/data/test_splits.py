"""Folds: whole patients, even classes, the same from the same seed, and no leak."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import DataError
from training.data.examples import Example
from training.data.lists import restrict
from training.data.readers import open_data
from training.data.splits import deal, require_classes, split_by_fold

CLASSES = ("no_finding", "pneumonia", "covid19")


def _example(number: int, patient: str, label: str, fold: int | None = None) -> Example:
    truths = {name: name == label for name in CLASSES}
    return Example(f"{number}.png", Path(f"{number}.png"), patient, fold=fold, truths=truths)


def _stratum(example: Example) -> str:
    return str(example.class_of(CLASSES))


@given(
    pictures=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(CLASSES)), min_size=5, max_size=80).filter(
        lambda pictures: len({patient for patient, _label in pictures}) >= 5
    ),
    seed=st.integers(0, 3),
)
def test_a_patient_is_in_one_fold_and_nothing_is_lost(pictures: list[tuple[int, str]], seed: int) -> None:
    examples = [_example(number, str(patient), label) for number, (patient, label) in enumerate(pictures)]
    dealt = deal(examples, 5, by="patient", stratify=_stratum, seed=seed)
    assert [example.file for example in dealt] == [example.file for example in examples]
    folds: dict[str, set[int | None]] = {}
    for example in dealt:
        folds.setdefault(example.patient, set()).add(example.fold)
    assert all(len(where) == 1 for where in folds.values())


def _many() -> list[Example]:
    labels = ["no_finding"] * 100 + ["pneumonia"] * 60 + ["covid19"] * 20
    return [_example(number, str(number // 2), label) for number, label in enumerate(labels)]


@pytest.mark.parametrize("by", ["patient", "image"])
def test_each_fold_has_its_share_of_each_class(by: str) -> None:
    dealt = deal(_many(), 5, by=by, stratify=_stratum, seed=1)  # type: ignore[arg-type]
    counts = Counter((example.fold, _stratum(example)) for example in dealt)
    for stratum, share in (("0", 20), ("1", 12), ("2", 4)):
        assert all(abs(counts[fold, stratum] - share) <= 2 for fold in range(5))


def test_the_order_of_pictures_does_not_matter_but_the_seed_does() -> None:
    def folds(examples: list[Example], seed: int) -> dict[str, int | None]:
        return {example.file: example.fold for example in deal(examples, 5, by="patient", stratify=_stratum, seed=seed)}

    assert folds(_many(), 1) == folds(_many()[::-1], 1)
    assert folds(_many(), 1) != folds(_many(), 2)


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 patients cannot be dealt into 5 folds: add pictures or deal fewer"):
        deal(_many()[:4], 5, by="patient", stratify=_stratum, seed=1)


def test_a_patient_in_two_parts_is_refused_by_patient_and_taken_by_image() -> None:
    examples = [_example(number, "p", "covid19", fold=number) for number in range(3)]
    with pytest.raises(
        DataError, match=r"the patient of 1\.png is both in training and in validation: group by patient|both in"
    ):
        split_by_fold(examples, test=0, validation=1)
    assert len(split_by_fold(examples, test=0, validation=1, by="image").training) == 1


def test_an_empty_part_one_fold_for_two_parts_and_no_folds_are_refused() -> None:
    examples = [_example(number, str(number), "covid19", fold=number % 2) for number in range(4)]
    with pytest.raises(DataError, match=r"the training part is empty: the data have folds 0, 1"):
        split_by_fold(examples, test=0, validation=1)
    with pytest.raises(DataError, match="cannot be both test and validation"):
        split_by_fold(examples, test=1, validation=1)
    with pytest.raises(DataError, match=r"0\.png has no fold: deal folds out"):
        split_by_fold([_example(0, "0", "covid19")], test=0, validation=1)


def test_a_class_without_a_picture_is_named_with_its_part() -> None:
    with pytest.raises(DataError, match="the class covid19 has no picture in the test part: add some"):
        require_classes([_example(0, "0", "pneumonia")], ("pneumonia", "covid19"), "test")


@pytest.mark.data
def test_the_darkcovidnet_list_makes_five_even_folds_by_patient_and_leaks_by_image(cxr_data: Path) -> None:
    listed = restrict(open_data(cxr_data, "manifest"), cxr_data / "darkcovidnet.csv")
    assert Counter(example.class_of(CLASSES) for example in listed) == {0: 499, 1: 500, 2: 120}
    dealt = deal(listed, 5, by="patient", stratify=_stratum, seed=1)
    split = split_by_fold(dealt, test=0, validation=1)
    require_classes(split.test, CLASSES, "test")
    assert Counter(example.class_of(CLASSES) for example in split.test) == {0: 100, 1: 100, 2: 24}
    by_image = deal(listed, 5, by="image", stratify=_stratum, seed=1)
    with pytest.raises(DataError, match="group by patient"):
        split_by_fold(by_image, test=0, validation=1)
