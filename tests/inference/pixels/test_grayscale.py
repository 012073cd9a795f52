"""The lookup table shows what the Standard asks for, whatever a device wrote."""

from typing import Any

import highdicom
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian

from inference.findings import RemarkKind
from inference.pixels import render
from inference.pixels.window import VoiFunction, Window

LIMIT = 1 << 20


def shown(dataset: Dataset) -> np.ndarray[Any, Any]:
    return render(dataset, LIMIT).gray


def lut(first: int, bits: int, entries: list[int]) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    return Sequence([item])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (VoiFunction.LINEAR, [0.0, 1 / 3, 2 / 3, 1.0, 1.0]),
        (VoiFunction.LINEAR_EXACT, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (VoiFunction.SIGMOID, [1 / (1 + np.exp(-4 * (x - 10) / 4)) for x in (8, 9, 10, 11, 12)]),
    ],
)
def test_a_window_follows_the_formula_of_its_function(function: VoiFunction, expected: list[float]) -> None:
    values = np.array([8.0, 9.0, 10.0, 11.0, 12.0])
    np.testing.assert_allclose(Window(10.0, 4.0, function).apply(values), expected)


def test_a_window_one_wide_is_a_step() -> None:
    np.testing.assert_array_equal(Window(10.0, 1.0).apply(np.array([9.0, 9.5, 9.6, 10.0])), [0.0, 0.0, 1.0, 1.0])


FRAMES = st.sampled_from([("u", 8, 8), ("u", 16, 10), ("u", 16, 12), ("u", 16, 16), ("i", 16, 12), ("i", 16, 16)])


@given(
    frame=FRAMES,
    seed=st.integers(0, 2**32 - 1),
    center=st.one_of(st.none(), st.floats(-1e5, 1e5)),
    width=st.one_of(st.none(), st.floats(-10, 1e5)),
    function=st.sampled_from([None, "LINEAR", "LINEAR_EXACT", "SIGMOID", "NONSENSE"]),
    slope=st.one_of(st.none(), st.floats(-50, 50)),
    intercept=st.one_of(st.none(), st.floats(-5000, 5000)),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    shape=st.sampled_from([None, "IDENTITY", "INVERSE"]),
    padding=st.one_of(st.none(), st.integers(0, 4095)),
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_any_combination_gives_finite_values_from_0_to_1(
    radiograph: Any, frame: Any, seed: int, center: Any, width: Any, function: Any, slope: Any, intercept: Any,
    photometric: str, shape: Any, padding: Any,
) -> None:  # fmt: skip
    kind, allocated, stored_bits = frame
    low, high = (-(1 << stored_bits - 1), 1 << stored_bits - 1) if kind == "i" else (0, 1 << stored_bits)
    stored = np.random.default_rng(seed).integers(low, high, (9, 11)).astype(f"{kind}{allocated // 8}")
    dataset = radiograph(
        stored, BitsStored=stored_bits, VOILUTFunction=function, PhotometricInterpretation=photometric,
        PresentationLUTShape=shape, PixelPaddingValue=padding,
        **{
            key: None if value is None else f"{value:.6g}"[:16]
            for key, value in (("WindowCenter", center), ("WindowWidth", width), ("RescaleSlope", slope),
                               ("RescaleIntercept", intercept))
        },
    )  # fmt: skip
    gray = shown(dataset)
    assert gray.dtype == np.float32
    assert gray.shape == (9, 11)
    assert np.isfinite(gray).all()
    assert gray.min() >= 0.0
    assert gray.max() <= 1.0


@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.integers(9, 16),
    center=st.floats(0.1, 0.9),
    width=st.floats(0.05, 2),
    windowed=st.booleans(),
    function=st.sampled_from(["LINEAR_EXACT", "SIGMOID", "LINEAR"]),
)
def test_monochrome1_of_inverted_values_equals_monochrome2(
    radiograph: Any, seed: int, bits: int, center: float, width: float, windowed: bool, function: str
) -> None:
    top = (1 << bits) - 1
    stored = np.random.default_rng(seed).integers(0, top + 1, (12, 14)).astype(np.uint16)
    middle, wide = round(center * top), max(2, round(width * top))
    other = top - middle + (1 if function == "LINEAR" else 0)
    window = {"WindowWidth": wide, "VOILUTFunction": function} if windowed else {}
    plain = radiograph(stored, BitsStored=bits, **window, **({"WindowCenter": middle} if windowed else {}))
    inverse = radiograph(
        top - stored, BitsStored=bits, PhotometricInterpretation="MONOCHROME1", **window,
        **({"WindowCenter": other} if windowed else {}),
    )  # fmt: skip
    np.testing.assert_allclose(shown(inverse), shown(plain), atol=1e-5)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
    ],
)
def test_the_picture_is_inverted_once_or_not_at_all(
    radiograph: Any, photometric: str, shape: str | None, inverted: bool
) -> None:
    stored = np.array([[0, 1000, 2000, 4095]], np.uint16)
    attributes = {"BitsStored": 12, "WindowCenter": "2048", "WindowWidth": "4096"}
    dataset = radiograph(stored, PhotometricInterpretation=photometric, PresentationLUTShape=shape, **attributes)
    expected = stored / 4095
    np.testing.assert_allclose(shown(dataset), 1 - expected if inverted else expected, atol=1e-6)


@pytest.mark.parametrize(
    "attributes",
    [
        {"WindowCenter": "2048", "WindowWidth": "4096"},
        {"WindowCenter": ["1500", "40"], "WindowWidth": ["1801", "400"]},
        {"WindowCenter": "1500", "WindowWidth": "900", "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": "1500", "WindowWidth": "900", "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": "300.5", "WindowWidth": "1200", "RescaleSlope": "0.5", "RescaleIntercept": "-512",
         "VOILUTFunction": "LINEAR_EXACT"},  # with LINEAR it scales a width of w - 1 as if it were w
        {"WindowCenter": "1500", "WindowWidth": "1000", "PhotometricInterpretation": "MONOCHROME1"},
        {"WindowCenter": "1500", "WindowWidth": "1000", "PhotometricInterpretation": "MONOCHROME1",
         "PresentationLUTShape": "INVERSE"},
        {"VOILUTSequence": lut(1000, 16, [round((k / 2000) ** 2 * 65535) for k in range(2001)])},
        {"ModalityLUTSequence": lut(0, 16, [4095 - k for k in range(4096)]), "WindowCenter": "1500",
         "WindowWidth": "1000"},
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_sound_header_gives_what_highdicom_gives(radiograph: Any, attributes: dict[str, Any]) -> None:
    stored = np.random.default_rng(3).integers(0, 4096, (32, 40)).astype(np.uint16)
    for item in attributes.get("ModalityLUTSequence", []):
        item.ModalityLUTType = "US"
    dataset = radiograph(stored, BitsStored=12, **attributes)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, keyword, "2.25.2")
    frame = highdicom.Image.from_dataset(dataset, copy=True).get_frame(
        1, apply_voi_transform=True, apply_presentation_lut=True, dtype=np.float64
    )
    np.testing.assert_allclose(shown(dataset), frame, atol=1e-5)


@pytest.mark.parametrize("width_of_an_entry", [1, 2])
def test_a_table_of_words_is_read_in_the_byte_order_of_the_file(radiograph: Any, width_of_an_entry: int) -> None:
    stored = np.arange(0, 256, 3, dtype=np.uint16)[None]
    entries = np.array([(value / 255) ** 2 * 255 for value in range(256)]).round().astype(f"<u{width_of_an_entry}")
    little, big = (radiograph(stored, BitsStored=12, VOILUTSequence=lut(0, 8, [0] * 256)) for _ in range(2))
    words = np.frombuffer(entries.tobytes(), "<u2")
    little.VOILUTSequence[0].add_new("LUTData", "OW", words.tobytes())
    big.VOILUTSequence[0].add_new("LUTData", "OW", words.astype(">u2").tobytes())
    big.PixelData = stored.astype(">u2").tobytes()
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_allclose(shown(little)[0], (stored[0] / 255) ** 2, atol=0.01)
    np.testing.assert_array_equal(shown(big), shown(little))


@pytest.mark.parametrize("width", ["", "0", "-5"])
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_useless_window_falls_back_to_percentiles(radiograph: Any, width: str) -> None:
    stored = np.tile(np.linspace(1000, 1400, 400).astype(np.uint16), (400, 1))
    stored[0, 0] = 65535
    dataset = radiograph(stored, WindowCenter="1200", WindowWidth=width)
    gray = shown(dataset)
    said = [(remark.kind, "width is zero, negative" in remark.text) for remark in render(dataset, LIMIT).remarks]
    assert said == ([(RemarkKind.AUTOMATIC_WINDOW, True)] if width else [])
    assert gray[200, 0] < 0.01
    assert gray[200, -1] > 0.99
    assert gray[200, 200] == pytest.approx(0.5, abs=0.01)


def test_a_window_that_shows_only_black_and_white_is_not_believed(radiograph: Any) -> None:
    stored = np.tile(np.linspace(1000, 1400, 400).astype(np.uint16), (400, 1))
    gray = shown(radiograph(stored, WindowCenter="40", WindowWidth="400"))
    assert gray[200, 200] == pytest.approx(0.5, abs=0.01)


def test_eight_bits_without_a_window_are_shown_as_they_are(radiograph: Any) -> None:
    stored = np.array([[10, 50, 200]], np.uint8)
    np.testing.assert_allclose(shown(radiograph(stored)), stored / 255, atol=1e-6)


def test_padding_is_black_and_does_not_move_the_percentiles(radiograph: Any) -> None:
    stored = np.tile(np.linspace(1000, 1400, 400).astype(np.uint16), (400, 1))
    plain = shown(radiograph(stored))
    padded = stored.copy()
    padded[:150] = 3
    gray = shown(radiograph(padded, PixelPaddingValue=5, PixelPaddingRangeLimit=0))
    assert (gray[:150] == 0).all()
    np.testing.assert_allclose(gray[150:], plain[150:], atol=0.01)


def test_padding_is_black_in_monochrome1_too(radiograph: Any) -> None:
    stored = np.array([[0, 500, 1000, 4095]], np.uint16)
    dataset = radiograph(
        stored, BitsStored=12, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0,
        WindowCenter="2048", WindowWidth="4096",
    )  # fmt: skip
    assert shown(dataset)[0, 0] == 0
    assert shown(dataset)[0, 1] > 0.8


def test_bits_beyond_the_stored_ones_do_not_count(radiograph: Any) -> None:
    """Old devices kept overlays there."""
    stored = np.array([[0, 1000, 2000, 4095]], np.uint16)
    window = {"WindowCenter": "2048", "WindowWidth": "4096"}
    np.testing.assert_array_equal(
        shown(radiograph(stored | 0x8000, BitsStored=12, **window)), shown(radiograph(stored, BitsStored=12, **window))
    )
    np.testing.assert_array_equal(
        shown(radiograph(stored << 4, BitsStored=12, HighBit=15, **window)),
        shown(radiograph(stored, BitsStored=12, **window)),
    )


def test_signed_values_below_zero_are_darker(radiograph: Any) -> None:
    stored = np.array([[-2000, -1, 0, 2047]], np.int16)
    gray = shown(radiograph(stored, BitsStored=12, WindowCenter="0", WindowWidth="4096"))
    assert (np.diff(gray[0]) > 0).all()


@pytest.mark.parametrize(
    "broken",
    [
        {"VOILUTSequence": Sequence([])},
        {"VOILUTSequence": Sequence([Dataset()])},
        {"VOILUTSequence": lut(0, 12, [1, 2, 3])[:0]},
        {"RescaleSlope": "", "RescaleIntercept": ""},
        {"RescaleSlope": "0"},
    ],
)
def test_an_empty_transformation_counts_as_absent(radiograph: Any, broken: dict[str, Any]) -> None:
    window = {"BitsStored": 12, "WindowCenter": "2048", "WindowWidth": "4096"}
    stored = np.arange(0, 4096, 7, dtype=np.uint16)[None]
    np.testing.assert_array_equal(shown(radiograph(stored, **window, **broken)), shown(radiograph(stored, **window)))


def test_a_lut_too_short_for_its_descriptor_is_ignored(radiograph: Any) -> None:
    sequence = lut(0, 12, list(range(16)))
    sequence[0].LUTDescriptor = [4096, 0, 12]
    window = {"BitsStored": 12, "WindowCenter": "2048", "WindowWidth": "4096"}
    stored = np.arange(0, 4096, 7, dtype=np.uint16)[None]
    np.testing.assert_array_equal(
        shown(radiograph(stored, VOILUTSequence=sequence, **window)), shown(radiograph(stored, **window))
    )


def ramp(bits: int = 12) -> np.ndarray[Any, Any]:
    """Return an image whose values spread evenly over the range of its bits."""
    row = np.linspace(0, (1 << bits) - 1, 300).astype(np.uint16)
    return np.tile(row, (200, 1))


def remarks(dataset: Any) -> list[RemarkKind]:
    return [remark.kind for remark in render(dataset, LIMIT).remarks]


@pytest.mark.parametrize(("center", "width"), [(32768, 65536), (16384, 32768), (300, 300), (40, 400), (9000, 100)])
def test_a_window_that_makes_no_image_gives_way_to_an_automatic_one(
    radiograph: Any, center: float, width: float
) -> None:
    dataset = radiograph(ramp(), BitsStored=12, WindowCenter=str(center), WindowWidth=str(width))
    assert remarks(dataset) == [RemarkKind.AUTOMATIC_WINDOW]
    assert shown(dataset)[100, 150] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (2048, 2000), (1000, 1500), (4096, 8192), (2048, 9000)])
def test_a_window_that_makes_an_image_is_believed(radiograph: Any, center: float, width: float) -> None:
    dataset = radiograph(ramp(), BitsStored=12, WindowCenter=str(center), WindowWidth=str(width))
    assert remarks(dataset) == []


def test_the_first_stored_window_that_makes_an_image_is_taken(radiograph: Any) -> None:
    dataset = radiograph(ramp(), BitsStored=12)
    dataset.WindowCenter, dataset.WindowWidth = ["32768", "1000"], ["65536", "1500"]
    alone = radiograph(ramp(), BitsStored=12, WindowCenter="1000", WindowWidth="1500")
    np.testing.assert_array_equal(shown(dataset), shown(alone))
    assert remarks(dataset) == [RemarkKind.AUTOMATIC_WINDOW]


def test_a_blank_image_is_not_stretched_to_noise(radiograph: Any) -> None:
    noise = 2000 + np.random.default_rng(1).integers(0, 20, (200, 300)).astype(np.uint16)
    dataset = radiograph(noise, BitsStored=12, WindowCenter="2048", WindowWidth="4096")
    assert remarks(dataset) == []
    assert shown(dataset).std() < 0.01


def test_an_image_without_a_window_needs_no_remark(radiograph: Any) -> None:
    assert remarks(radiograph(ramp(), BitsStored=12)) == []


@pytest.mark.parametrize("ignored", [("2048", "0"), ("9000", "100")])
def test_a_window_that_is_ignored_beside_one_that_is_used_is_told_once(
    radiograph: Any, ignored: tuple[str, str]
) -> None:
    dataset = radiograph(ramp(), BitsStored=12, WindowCenter=[ignored[0], "2048"], WindowWidth=[ignored[1], "4096"])
    (remark,) = render(dataset, LIMIT).remarks
    assert (remark.kind, "was ignored" in remark.text) == (RemarkKind.AUTOMATIC_WINDOW, True)
