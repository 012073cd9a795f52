"""The view: which source decides, what each language calls it, and what is left open."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import InferenceSettings
from inference.eligibility import Doubt, HeaderAnswer, View
from inference.eligibility.answer import Sources, Statement, nearest
from inference.eligibility.view import view_of
from inference.header import CodedTerm, Description, Header, Source
from inference.not_analysed import NotAnalysed, Reason

Ask = Callable[..., HeaderAnswer]
Outcome = Callable[..., NotAnalysed | None]
LATERAL, PA = CodedTerm("399067008", "lateral"), CodedTerm("272479007", "postero-anterior")
F, L, OB, D, LO, SW, U = (
    View.FRONTAL, View.LATERAL, View.OBLIQUE, View.DECUBITUS, View.LORDOTIC, View.SWIMMERS, View.UNKNOWN,
)  # fmt: skip


@pytest.mark.parametrize(
    ("position", "view"),
    [
        ("PA", F), ("AP", F), ("pa", F), (" AP\0", F), ("ＰＡ", F), ("P.A.", F), ("AP SUPINE", F), ("AP ERECT", F),
        ("FRONTAL", F), ("POSTERO_ANTERIOR", F), ("PA1", F), ("(AP) Seduto a letto", F),
        ("LL", L), ("RL", L), ("LATERAL", L), ("LLAT", L), ("RLAT", L), ("L", L), ("LAT", L), ("XTABLE LATERAL", L),
        ("LT LAT", L), ("LEFT LATERAL", L), ("L-L", L), (" l\0", L),
        ("RAO", OB), ("LAO", OB), ("RPO", OB), ("LPO", OB), ("RLO", OB), ("LLO", OB), ("OBLIQUE", OB), ("AP OBL", OB),
        ("LLD", D), ("RLD", D), ("AP LLD", D), ("AP RLD", D), ("PA LLD", D), ("PA RLD", D),
        ("LEFT LATERAL DECUBITUS", D),
        ("DECUBITUS", D), ("AP AXIAL", LO), ("LORDOTIC", LO), ("AP LORDOTIC", LO), ("AXIAL", LO), ("SWIMMERS", SW),
        ("SWIMMER'S", SW),
        ("PA/LAT", U), ("AP LAT", U), ("PA AND LATERAL", U), ("L5 S1", U), ("ERECT", U), ("MLO", U), ("1", U),
        ("R", U),
        ("PAEDIATRIC", U), ("CAP", U), ("PLATE", U),
        ("TORACE PROFILO", L), ("Thorax face", F), ("胸部正面", F), ("胸部側面", L), ("боковая", L),
    ],
)  # fmt: skip
def test_view_position(ask: Ask, position: str, view: View) -> None:
    answer = ask(view_position=position, study="CHEST PA")
    assert answer.view is view
    assert (answer.doubt is not None) is (view is U)
    assert (answer.refusal is None) is (view in {F, U})


@pytest.mark.parametrize(
    ("text", "view"),
    [
        # French
        ("Thorax de face", F), ("RADIO THORAX FACE DEBOUT", F), ("Thorax profil gauche", L),
        ("Thorax face et profil", U),
        ("Thorax face couché, décubitus dorsal", F), ("Thorax décubitus latéral droit", D),
        ("Thorax de face en décubitus", U),
        ("Thorax oblique", OB), ("Incidence lordotique", LO), ("thorax postéro-antérieur", F),
        # Spanish
        ("TORAX PA", F), ("Tórax frente", F), ("Tórax perfil izquierdo", L), ("TORAX PA Y LATERAL", U),
        ("Tórax lateral", L),
        ("TORAX AP DECUBITO SUPINO", F), ("Tórax en decúbito lateral izquierdo", D), ("TORAX AP EN DECUBITO", U),
        ("Tórax oblicua", OB), ("Proyección lordótica", LO), ("TORAX PA DE PIE", F),
        # Italian
        ("Torace frontale", F), ("TORACE AP A LETTO", F), ("TORACE PROFILO", L), ("Torace latero-laterale", L),
        ("Torace LL", L), ("Torace decubito laterale", D), ("Torace 2P PA+LL", U), ("Torace obliqua", OB),
        ("proiezione postero-anteriore", F),
        # German
        ("Thorax p.a.", F), ("Thorax a.-p. liegend", F), ("Thorax seitl.", L), ("Thorax Seitenaufnahme", L),
        ("Thorax pa/seitlich", U), ("Thorax in Linksseitenlage", D), ("Thorax schräg", OB), ("SCHRAEG", OB),
        ("Lordoseaufnahme", LO),
        # Portuguese
        ("Tórax PA", F), ("Raio-X Tórax Perfil", L), ("Tórax AP leito", F), ("Tórax decúbito lateral direito", D),
        ("TÓRAX PA E PERFIL", U), ("Tórax oblíqua", OB),
        # Russian
        ("ОГК в прямой проекции", F), ("Грудная клетка прямая", F), ("в правой боковой проекции", L), ("БОКОВАЯ", L),
        ("прямая и боковая", U), ("косая проекция", OB), ("латеропозиция", D), ("лежа на боку", D),
        ("передне-задняя", F),
        # Japanese
        ("胸部正面", F), ("胸部側面", L), ("胸部 正側", U), ("胸部 正面・側面", U), ("右側臥位", D), ("胸部斜位", OB),
        ("肺尖撮影", LO), ("胸部P→A", F), ("ﾃﾞｸﾋﾞﾀｽ", D), ("胸部 背腹", F),
        # Chinese
        ("胸部正位片", F), ("胸部侧位", L), ("胸部正侧位", U), ("胸部后前位", F), ("左侧卧位", D), ("胸部斜片", OB),
        ("前弓位", LO),
        # Korean, Polish, Dutch, Turkish
        ("흉부 정면", F), ("흉부 측면", L), ("Klatka piersiowa PA", F), ("zdjęcie boczne", L), ("klp skośne", OB),
        ("X-thorax voorachterwaarts", F), ("Thorax dwars", L), ("Thorax frontaal", F), ("PA akciğer", F),
        ("Toraks yan", L),
        ("lateral dekübit", D),
        # English
        ("CHEST PORTABLE AP", F), ("view: PA", F), ("Chest lat.", L), ("CHEST PA AND LATERAL", U),
        ("CHEST 2 VIEWS", U),
        ("PA, LAT & BOTH DECUBS", U), ("CHEST AP DECUB", D), ("PA OBLIQUE", OB), ("APICAL LORDOTIC", LO),
        ("dorsal decubitus", D), ("R/O APICAL PNEUMOTHORAX", U), ("SPARE PLATE", U), ("L", U),
    ],
)  # fmt: skip
def test_descriptions_in_many_languages(ask: Ask, text: str, view: View) -> None:
    assert ask(view_position="", series=text).view is view
    assert ask(view_position="", study=text.swapcase()).view is view


@pytest.mark.parametrize(
    ("changes", "view"),
    [
        # Codes and View Position describe one image.
        ({"view_codes": (PA,), "view_position": ""}, F),
        ({"view_codes": (PA,), "view_position": "LL"}, U),
        ({"view_codes": (LATERAL,), "view_position": "PA"}, U),
        ({"view_codes": (LATERAL,), "view_position": ""}, L),
        ({"view_codes": (CodedTerm("", "Antero-posterior"),), "view_position": ""}, F),
        ({"view_codes": (CodedTerm("399182000", "oblique"),)}, OB),
        ({"view_codes": (PA, CodedTerm("102536004", ""))}, D),
        ({"view_codes": (CodedTerm("260450008", ""),), "view_position": "AP"}, LO),
        ({"view_codes": (PA,), "view_position": "ERECT"}, F),
        ({"view_codes": (CodedTerm("X1", "of this site"),), "view_position": "PA"}, F),
        ({"view_codes": (CodedTerm("X1", "of this site"),), "view_position": ""}, U),
        # Patient Orientation.
        ({"view_position": "", "patient_orientation": ("L", "F")}, F),
        ({"view_position": "", "patient_orientation": ("R", "F")}, F),
        ({"view_position": "", "patient_orientation": ("A", "F")}, L),
        ({"view_position": "", "patient_orientation": ("P", "F")}, L),
        ({"view_position": "AP", "patient_orientation": ("A", "F")}, U),
        ({"view_position": "LL", "patient_orientation": ("L", "F")}, L),
        ({"view_position": "ERECT", "patient_orientation": ("A", "F")}, L),
        # A value that is not known does not make us ask the study.
        ({"view_position": "ERECT", "study": "CHEST PA", "series": "PA"}, U),
        ({"view_position": "ERECT", "series": "LATERAL"}, L),
        ({"view_position": "ERECT", "study": "CHEST LATERAL"}, U),
        ({"view_position": "UNKNOWN", "series": "PA"}, F),
        # The nearest description counts.
        ({"view_position": "", "series": "PA", "study": "CHEST PA AND LATERAL"}, F),
        ({"view_position": "", "series": "PA", "study": "LATERAL"}, F),
        ({"view_position": "", "series": "LATERAL", "study": "CHEST PA"}, L),
        ({"view_position": "", "series": "PA/LAT", "study": "CHEST PA"}, U),
        ({"view_position": "", "series": "CHEST", "performed": "CHEST, LATERAL", "study": "PA"}, L),
        ({"view_position": "", "scheduled": "PA", "requested": "LATERAL"}, F),
        ({"view_position": "", "requested": "LATERAL", "study": "PA"}, L),
        ({"view_position": "", "processing": "CHEST LAT", "series": "PA"}, L),
        ({"view_position": "", "processing": "CHEST PA", "series": "LATERAL"}, U),
        ({"view_position": "", "series": "PA", "protocol": "CHEST PA + LAT"}, F),
        ({"view_position": "", "series": "AP", "protocol": "CHEST DECUBITUS"}, D),
        ({"view_position": "", "body_part": "CHEST LAT", "study": "CHEST PA"}, L),
        # Series and image may not contradict a frontal View Position; step, order and study may.
        ({"view_position": "PA", "series": "LATERAL"}, U),
        ({"view_position": "AP", "series": "AP DECUBITUS"}, D),
        ({"view_position": "AP", "performed": "CHEST (PA AND LAT)"}, F),
        ({"view_position": "PA", "study": "CHEST LATERAL"}, F),
        ({"view_position": "LL", "series": "CHEST PA"}, L),
        ({"view_position": ""}, U),
    ],
)  # fmt: skip
def test_the_nearest_source_decides(ask: Ask, changes: dict[str, Any], view: View) -> None:
    assert ask(**changes).view is view


def test_what_is_unknown_is_a_doubt_that_says_why(ask: Ask) -> None:
    for changes, words in (
        ({"view_position": ""}, "nothing in its header says"),
        ({"view_position": "SMITH^JOHN"}, "no view that is known here"),
        ({"view_position": "PA/LAT"}, "contradicts itself"),
    ):
        answer = ask(**changes)
        assert answer.refusal is None
        assert answer.doubt is not None
        assert answer.doubt.reason is Reason.VIEW_UNKNOWN
        assert words in answer.doubt.because


def test_a_refused_view_is_named(outcome: Outcome) -> None:
    for position, words in (
        ("LL", "lateral"), ("RAO", "oblique"), ("LLD", "decubitus"), ("AP AXIAL", "lordotic or axial"),
        ("SWIMMERS", "swimmer's"),
    ):  # fmt: skip
        refusal = outcome(view_position=position)
        assert refusal is not None
        assert refusal.reason is Reason.VIEW
        assert words in refusal.because


def test_a_site_may_assume_frontal_views_where_the_header_is_silent(outcome: Outcome, ask: Ask) -> None:
    settings = InferenceSettings(assume_frontal=True)
    assert outcome(settings, view_position="") is None
    assert ask(settings, view_position="").view is F
    for position in ("LL", "PA/LAT", "NONSENSE"):
        assert outcome(settings, view_position=position) is not None


_TEXTS = st.sampled_from(["", "PA", "LATERAL", "LLD", "RAO", "PA/LAT", "HAND", "x", "胸部側面", "décubitus"]) | st.text(
    max_size=12
)
_DESCRIPTIONS = st.tuples(*(st.builds(Description, st.just(source), _TEXTS) for source in Source))
_TERMS = st.sampled_from([PA, LATERAL, CodedTerm("102536004", ""), CodedTerm("", "oblique"), CodedTerm("1", "x")])
_HEADERS = st.builds(
    Header,
    view_position=_TEXTS,
    view_codes=st.lists(_TERMS, max_size=2).map(tuple),
    body_part=_TEXTS,
    descriptions=_DESCRIPTIONS,
    patient_orientation=st.sampled_from([(), ("L", "F"), ("A", "F"), ("P", "F"), ("x", "y")]),
)


@given(_HEADERS, st.booleans())
def test_a_view_is_never_frontal_where_a_source_as_near_says_otherwise(header: Header, assume: bool) -> None:
    settings = InferenceSettings(assume_frontal=assume)
    view = view_of(header, settings)
    assert (view.value is U) is (view.doubt is not None)
    if view.value is not F:
        return
    for description in header.descriptions:
        alone = view_of(Header(descriptions=(description,)), InferenceSettings())
        if description.source.near:
            assert alone.value in {F, U}
        elif view.source == description.source.value:
            assert alone.value is F
            break
    for alone in (
        Header(view_position=header.view_position),
        Header(view_codes=header.view_codes),
        Header(patient_orientation=header.patient_orientation),
        Header(body_part=header.body_part),
    ):
        assert view_of(alone, InferenceSettings()).value in {F, U}


@given(
    st.lists(st.sampled_from([None, "good", "bad", "narrow", ""]), max_size=4),
    st.lists(st.sampled_from([None, "good", "bad"])),
)
def test_the_nearest_source_that_speaks(near: list[str | None], far: list[str | None]) -> None:
    def state(value: str | None) -> Statement[str] | None:
        return None if value is None else Statement(value, doubt=None if value else Doubt.CONTRADICTION)

    found = nearest(Sources(list(map(state, near)), list(map(state, far))), "good", "", ("narrow",)).value
    spoken = [value for value in near if value is not None]
    if spoken and spoken[0] in {"bad", "narrow"}:
        assert found == spoken[0]
    elif {"bad", "narrow"} & set(spoken):
        assert found != "good"
    elif spoken:
        assert found == spoken[0]
    else:
        assert found == next((value for value in far if value is not None), "")
