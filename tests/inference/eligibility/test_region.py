"""The region: codes, Body Part Examined and descriptions, in many languages."""

from collections.abc import Callable
from typing import Any

import pytest

from config.settings import InferenceSettings
from inference.eligibility import HeaderAnswer, Region
from inference.header import CodedTerm
from inference.not_analysed import NotAnalysed, Reason

Ask = Callable[..., HeaderAnswer]
Outcome = Callable[..., NotAnalysed | None]
C, O, U = Region.CHEST, Region.OTHER, Region.UNKNOWN  # noqa: E741
CHEST, HAND = CodedTerm("816094009", "Chest"), CodedTerm("85562004", "Hand")


@pytest.mark.parametrize(
    ("body_part", "region"),
    [
        ("CHEST", C), ("chest", C), ("CHEST\0", C), ("THORAX", C), ("CHEST PA", C), ("PORT CHEST", C), ("CHEST_PA", C),
        ("LUNG", C), ("TORAX", C), ("TÓRAX", C), ("TORACE", C), ("ＣＨＥＳＴ", C), ("胸部", C), ("ГРУДНАЯ КЛЕТКА", C),
        ("EXTREMITY", O), ("HAND", O), ("TSPINE", O), ("THORACIC SPINE", O), ("T-SPINE", O), ("RIBS", O),
        ("ABDOMEN", O),
        ("胸椎", O), ("胸骨", O), ("ГРУДНОЙ ОТДЕЛ ПОЗВОНОЧНИКА", O), ("TORAX OSEO", O), ("BWS", O), ("ELBOW", O),
        ("ORCHESTRA", U), ("SMITH^JOHN", U), ("CHEST ABDOMEN", U), ("FACE", U), ("MAIN", U),
    ],
)  # fmt: skip
def test_body_part_examined(ask: Ask, body_part: str, region: Region) -> None:
    answer = ask(body_part=body_part, study="CHEST")
    assert answer.region is region
    assert (answer.refusal is None) is (region is not O)
    assert (answer.doubt is None) is (region is not U)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("RADIO THORAX FACE", C), ("Poumons", C), ("Main droite", U), ("Rachis dorsal", O), ("Gril costal", O),
        ("TORAX PA DE PIE", C), ("RX MANO DERECHA", O), ("Parrilla costal", O), ("Columna dorsal", O), ("PIE AP", U),
        ("RX TORACE", C), ("Ginocchio", O), ("Addome", O),
        ("Rö Thorax", C), ("Lunge", C), ("Kniegelenk", O), ("Schädel", O), ("Hemithorax", U),
        ("Raio-X de Tórax", C), ("Mão AP", O), ("Joelho", O),
        ("ОГК", C), ("органов грудной клетки", C), ("лёгких", C), ("легких", C), ("кисть", O), ("череп", O),
        ("胸部X線", C), ("手術前 胸部", C), ("肘関節", O), ("腹部", O), ("胸部 背腹", C),
        ("胸片", C), ("膝关节正侧位", O), ("腰椎", O), ("흉부", C), ("무릎", O),
        ("Klatka piersiowa", C), ("płuca", C), ("kolano", O), ("X-thorax", C), ("knie", O), ("Akciğer grafisi", C),
        ("diz", O),
        ("CXR", C), ("TRAUMA: CHEST, PELVIS, HAND", U), ("HAND PA", O), ("HEAD UP AP", U), ("C-ARM", U), ("", U),
        ("FACE PA", U), ("PELVIS, HAND", O),
    ],
)  # fmt: skip
def test_descriptions_in_many_languages(ask: Ask, text: str, region: Region) -> None:
    assert ask(body_part="", series=text).region is region
    assert ask(body_part="", study=text.swapcase()).region is region


@pytest.mark.parametrize(
    ("changes", "region"),
    [
        ({"body_part": "", "regions": (CHEST,)}, C),
        ({"body_part": "", "regions": (CodedTerm("51185008", ""),)}, C),
        ({"body_part": "", "regions": (CodedTerm("T-D3000", ""),)}, C),
        ({"body_part": "", "regions": (HAND,)}, O),
        ({"body_part": "", "regions": (CodedTerm("122495006", "x"),), "study": "chest"}, O),
        ({"body_part": "", "regions": (CodedTerm("416550000", ""),)}, U),
        ({"body_part": "", "regions": (CodedTerm("53505006", ""),)}, O),
        ({"body_part": "", "regions": (CodedTerm("X", "Chest"),)}, C),
        ({"body_part": "", "regions": (CodedTerm("X", "of this site"),), "study": "chest"}, U),
        ({"body_part": "CHEST", "regions": (HAND,)}, U),
        ({"body_part": "HAND", "regions": (CHEST,)}, U),
        ({"body_part": "CHEST", "regions": (CodedTerm("X", "of this site"),)}, C),
        ({"body_part": "HAND", "series": "CHEST PA"}, O),
        ({"body_part": "", "series": "HAND PA", "study": "TRAUMA: CHEST, PELVIS, HAND"}, O),
        ({"body_part": "", "series": "HAND", "study": "CHEST"}, O),
        ({"body_part": "", "series": "CHEST", "study": "TRAUMA: CHEST, PELVIS, HAND"}, C),
        ({"body_part": "", "processing": "[LOWER LEG   ]", "study": "CHEST"}, O),
        ({"body_part": "", "series": "CHEST", "protocol": "HAND"}, U),
        ({"body_part": "", "study": "TRAUMA: CHEST, PELVIS, HAND"}, U),
        ({"body_part": "CHEST", "series": "RIBS LEFT"}, U),
        ({"body_part": "CHEST", "series": "CHEST AND RIBS"}, C),
        ({"body_part": "CHEST", "study": "RIBS LEFT"}, C),
        ({"body_part": "SITE7", "series": "HAND"}, O),
        ({"body_part": "SITE7", "series": "CHEST"}, U),
        ({"body_part": "OTHER", "study": "CHEST"}, C),
    ],
)  # fmt: skip
def test_the_nearest_source_decides(ask: Ask, changes: dict[str, Any], region: Region) -> None:
    assert ask(**changes).region is region


def test_the_reason_names_the_part_and_where_it_stands(outcome: Outcome) -> None:
    for changes, because in (
        ({"body_part": "EXTREMITY"}, "the body part examined is EXTREMITY, not the chest"),
        ({"body_part": "hands"}, "the body part examined is HAND, not the chest"),
        ({"body_part": "", "series": "Mano Rossi"}, "its series description says HAND, not the chest"),
        ({"body_part": "", "regions": (CodedTerm("53505006", ""),)}, "the body part examined is Anus, not the chest"),
        (
            {"body_part": "SMITH^JOHN"},
            "its Body Part Examined is no part that is known here, so it may not be the chest",
        ),
        ({"body_part": ""}, "nothing in its header says that it shows the chest (see inference.assume_chest)"),
    ):
        refusal = outcome(**changes)
        assert isinstance(refusal, NotAnalysed)
        assert (refusal.reason, refusal.because) == (Reason.BODY_PART, because)


def test_a_site_may_assume_the_chest_where_the_header_is_silent(outcome: Outcome) -> None:
    settings = InferenceSettings(assume_chest=True)
    assert outcome(settings, body_part="") is None
    assert outcome(settings, body_part="HAND") is not None
    assert outcome(settings, body_part="SITE7") is not None
    assert outcome(settings, body_part="", study="CHEST AND HAND") is not None
