"""The structured report says what the account says, in TID 1500, the same every time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pydicom
import pytest
from highdicom import sr
from pydicom import Dataset

from inference.findings import Code, Finding, Remark, RemarkKind
from reporting import codes
from reporting.account import Account, AnalysedImage, Predecessor
from reporting.claims import claims_of
from reporting.identity import device_uid
from reporting.impression import summarise
from reporting.sr.report import build_report
from reporting.sr.report_classes import ReportClass
from reporting.sr.report_gate import check_report
from tests.accounts import (
    CHESTS,
    COLUMNS,
    FILED_WRONG,
    MODEL,
    ROWS,
    SLOPPY,
    account,
    finding,
    good_header,
    lateral,
    told,
    walk,
)


def read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))


def named(root: Dataset, code: str) -> list[Dataset]:
    return [item for item in walk(root) if item.ConceptNameCodeSequence[0].get("CodeValue") == code]


def children(item: Dataset) -> dict[str, Dataset]:
    return {child.ConceptNameCodeSequence[0].CodeValue: child for child in item.ContentSequence}


def showing(found: tuple[Finding, ...]) -> Account:
    made = account()
    return account(analysed=(AnalysedImage(made.lead, found),))


@pytest.mark.parametrize("kind", ReportClass)
def test_every_class_has_the_same_content(kind: ReportClass) -> None:
    built = build_report(account(), 9001, kind)
    document = read(built.content)
    assert document.SOPClassUID == document.file_meta.MediaStorageSOPClassUID == kind.value
    assert document.ConceptNameCodeSequence[0].CodeValue == "126000"
    assert document.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (document.VerificationFlag, document.CompletionFlag) == ("UNVERIFIED", "COMPLETE")
    assert document.PreliminaryFlag == "PRELIMINARY"
    check_report(built, account())


def test_a_claimed_finding_has_a_group_for_each_region_or_one_and_the_others_are_evaluated() -> None:
    document = read(build_report(account(), 9001).content)
    groups = [children(group) for group in named(document, codes.MEASUREMENT_GROUP.value)]
    assert [(group["112039"].TextValue, group["121106"].TextValue) for group in groups] == [
        ("Lung opacity region 1", "Lung opacity, region 1: present"),
        ("Lung opacity region 2", "Lung opacity, region 2: undetermined"),
        ("Pneumonia caused by SARS-CoV-2", "Pneumonia caused by SARS-CoV-2: undetermined"),
    ]
    assert len({group["112040"].UID for group in groups}) == 3
    assert all(group["363698007"].ConceptCodeSequence[0].CodeValue == "39607008" for group in groups)
    said = [(one.name, one.region, one.presence, one.value, one.outline is not None) for one in told(document)]
    assert said == [
        ("Pneumonia caused by SARS-CoV-2", 0, "Undetermined", 50, True),
        ("Lung opacity", 0, "Present", 91, False),
        ("Normal", 0, "Absent", 3, False),
        ("Lung opacity", 1, "Present", 91, True),
        ("Lung opacity", 2, "Undetermined", 50, True),
    ]


def test_a_finding_with_a_single_region_is_one_group() -> None:
    single = finding("lung_opacity", 0.9, (10, 20, 30, 40, 0.7))
    document = read(build_report(showing((single, finding("normal", 0.1))), 9001).content)
    assert [(one.name, one.value, one.outline) for one in told(document)] == [
        ("Lung opacity", 90, [10, 20, 30, 20, 30, 40, 10, 40, 10, 20]),
        ("Normal", 10, None),
    ]


@pytest.mark.parametrize("kind", ReportClass)
def test_another_reader_finds_each_outline_by_its_finding(kind: ReportClass) -> None:
    """Highdicom's own reader of TID 1500 takes the groups apart as what they are."""
    report = sr.srread(BytesIO(build_report(account(), 9001, kind).content))
    groups = report.content.get_planar_roi_measurement_groups()
    assert [(group.tracking_identifier, group.finding_type.meaning) for group in groups] == [
        ("Lung opacity region 1", "Lung opacity"),
        ("Lung opacity region 2", "Lung opacity"),
        ("Pneumonia caused by SARS-CoV-2", "Pneumonia caused by SARS-CoV-2"),
    ]
    outlines = [group.roi.value[0].tolist() + group.roi.value[2].tolist() for group in groups]
    assert outlines == [[180, 150, 260, 280], [60, 200, 130, 260], [0, 0, COLUMNS, ROWS]]


def test_tracking_uids_stay_the_same_from_revision_to_revision() -> None:
    first, second = (
        [item.UID for item in named(read(build_report(account(revision=revision), 9001).content), "112040")]
        for revision in (1, 2)
    )
    assert first == second


def test_a_report_without_a_claim_outlines_nothing() -> None:
    document = read(build_report(showing((finding("lung_opacity", 0.1),)), 9001).content)
    assert not any(item.ValueType == "SCOORD" for item in walk(document))
    assert named(document, codes.IMAGING_MEASUREMENTS.value) == []
    assert [(one.name, one.presence, one.value) for one in told(document)] == [("Lung opacity", "Absent", 10)]


def test_a_region_is_a_closed_rectangle_on_the_picture() -> None:
    outside = finding("lung_opacity", 0.9, (-10, -5, COLUMNS + 40, ROWS + 1, 0.9))
    made = account()
    made = account(analysed=(type(made.analysed[0])(made.lead, (outside,)),))
    document = read(build_report(made, 9001).content)
    region, *_ = named(document, codes.IMAGE_REGION.value)
    assert region.GraphicType == "POLYLINE"
    assert list(region.GraphicData) == [0, 0, COLUMNS, 0, COLUMNS, ROWS, 0, ROWS, 0, 0]
    source = region.ContentSequence[0]
    assert source.ConceptNameCodeSequence[0].CodeValue == "111040"
    assert source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.1"


def test_a_group_is_outlined_beneath_its_number_too() -> None:
    """OHIF lists and keeps a group by the coordinates beneath its number, and fails on one that has none at all."""
    document = read(build_report(account(), 9001).content)
    for group in named(document, codes.MEASUREMENT_GROUP.value):
        (region,) = (item for item in group.ContentSequence if item.ValueType == "SCOORD")
        (number,) = (item for item in group.ContentSequence if item.ValueType == "NUM")
        (beneath,) = number.ContentSequence
        assert (beneath.ValueType, beneath.RelationshipType) == ("SCOORD", "INFERRED FROM")
        assert list(beneath.GraphicData) == list(region.GraphicData)


def test_a_code_longer_than_16_is_a_long_code_value() -> None:
    document = read(build_report(account(), 9001).content)
    concepts = [item.ConceptCodeSequence[0] for item in named(document, "121071")]
    assert "882784691000119100" in {concept.get("LongCodeValue") for concept in concepts}


def test_the_model_is_observer_algorithm_and_contributing_equipment() -> None:
    document = read(build_report(account(), 9001).content)
    assert device_uid(MODEL) == named(document, "121012")[0].UID
    (equipment,) = document.ContributingEquipmentSequence
    assert equipment.DeviceUID == device_uid(MODEL)
    assert (equipment.ManufacturerModelName, equipment.SoftwareVersions) == ("opacity", "1.0.0")
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Processing Algorithm"
    assert MODEL.digest in equipment.ContributionDescription
    for group in named(document, codes.MEASUREMENT_GROUP.value):
        assert {"111001", "111003"} <= set(children(group))
    parameters = [item.TextValue for item in named(document, "111002")]
    assert parameters == ["sensitive operating point 35 %", "specific operating point 62 %"] * 3


def test_containers_are_separate_so_that_viewers_show_their_names() -> None:
    document = read(build_report(account(skipped=(lateral(),)), 9001).content)
    containers = [item for item in walk(document) if item.ValueType == "CONTAINER"]
    assert len(containers) > 7
    assert {item.ContinuityOfContent for item in containers} == {"SEPARATE"}


def test_several_images_are_one_report_and_the_others_are_named_with_the_reason() -> None:
    made = account(good_header(1), good_header(2), skipped=(lateral(),))
    built = build_report(made, 9001)
    check_report(built, made)
    document = read(built.content)
    library = named(document, codes.IMAGE_LIBRARY.value)[0]
    images = [item for item in walk(library) if item.ValueType == "IMAGE"]
    assert [image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for image in images] == ["1.2.3.4.1", "1.2.3.4.2"]
    in_words = named(document, codes.QUALITATIVE_EVALUATIONS.value)[0]
    comments = [item.TextValue for item in in_words.ContentSequence if item.ValueType == "TEXT"]
    assert comments[-1] == "Image 1.2.3.4.99 was not analysed because it is a lateral view"
    assert comments[0] == (
        "AI result, not verified by a radiologist, research use only: "
        "Lung opacity present; Pneumonia caused by SARS-CoV-2 undetermined"
    )
    assert comments[1] == "Image 1: Lung opacity: present (91 %), 2 regions marked; 7 of 10 such calls were right"
    identifiers = [item.TextValue for item in named(document, "112039")]
    assert "Lung opacity image 2 region 1" in identifiers


def test_a_correction_points_to_the_report_it_replaces() -> None:
    made = account(revision=2, corrects=True, predecessor=Predecessor("1.5", ReportClass.COMPREHENSIVE_3D.value, "1.6"))
    document = read(build_report(made, 9001).content)
    reference = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert reference.SeriesInstanceUID == "1.5"
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.6"
    assert document.SOPInstanceUID != read(build_report(account(), 9001).content).SOPInstanceUID


def test_times_are_the_analysis_in_the_sources_own_zone() -> None:
    document = read(build_report(account(good_header(TimezoneOffsetFromUTC=b"-0330")), 9001).content)
    assert (document.ContentDate, document.ContentTime) == ("20260101", "233405.678000")
    assert document.TimezoneOffsetFromUTC == "-0330"
    assert (document.InstanceCreationDate, document.SeriesDate) == ("20260101", "20260101")


def test_only_the_analysis_changes_the_bytes() -> None:
    ours = build_report(account(), 9001)
    assert build_report(account(), 9001) == ours
    later = account(completed_at=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))
    assert build_report(later, 9001).content != ours.content


@pytest.mark.parametrize("make", [*SLOPPY.values(), *FILED_WRONG.values()], ids=[*SLOPPY, *FILED_WRONG])
def test_a_sloppy_source_gives_a_report_that_files_with_it(make: Callable[[], Dataset]) -> None:
    made = account(make())
    built = build_report(made, 9001)
    check_report(built, made)


@pytest.mark.parametrize("found", CHESTS.values(), ids=CHESTS)
def test_findings_stand_in_the_order_and_with_the_claims_of_the_reading(found: tuple[Finding, ...]) -> None:
    built = build_report(made := showing(found), 9001)
    check_report(built, made)
    document = read(built.content)
    claims = claims_of(found)
    whole = [one for one in told(document) if not one.region]
    expected = {entry.finding.code.meaning: (code := codes.presence(entry.claim)) and code.meaning for entry in claims}
    assert {one.name: one.presence for one in whole} == expected
    assert len(whole) == len(expected)
    for outlined in (True, False):
        order = [one.name for one in whole if (one.outline is not None) is outlined]
        assert order == [name for name in expected if name in order]
    by_label = {entry.finding.label: expected[entry.finding.code.meaning] for entry in claims}
    bad = {text for label, text in by_label.items() if label != "normal"}
    assert not (by_label["normal"] == "Present" and bad & {"Present", "Undetermined"})
    in_words = named(document, codes.QUALITATIVE_EVALUATIONS.value)[0]
    comments = [item.TextValue for item in in_words.ContentSequence if item.ValueType == "TEXT"]
    assert comments == summarise(made)
    assert [item.ValueType for item in in_words.ContentSequence][: len(comments)] == ["TEXT"] * len(comments)


def test_what_is_scored_only_is_a_number_without_presence_or_region() -> None:
    document = read(build_report(showing(CHESTS["nothing stated"]), 9001).content)
    assert named(document, codes.MEASUREMENT_GROUP.value) == []
    said = told(document)
    assert len(said) == 11
    assert {(one.presence, one.outline, one.value) for one in said} == {(None, None, 90)}
    assert {one.comment for one in said} == {"Scored only: such calls were not shown to be right"}


def test_a_region_is_never_surer_than_its_finding() -> None:
    sure = finding("lung_opacity", 0.5, (10, 20, 30, 40, 0.95), (50, 20, 70, 40, 0.4))
    document = read(build_report(showing((sure,)), 9001).content)
    assert [one.value for one in told(document)] == [50, 50, 40]
    assert {one.presence for one in told(document)} == {"Undetermined"}


def test_how_an_image_was_read_is_said() -> None:
    lead = account().lead
    turned = Remark(RemarkKind.ORIENTATION_MENDED, "The image was turned upright before it was analysed")
    made = account(analysed=(AnalysedImage(lead, CHESTS["none abnormal"], (turned,)),))
    document = read(build_report(made, 9001).content)
    assert turned.text in [comment.TextValue for comment in named(document, codes.COMMENT.value)]


def test_a_pattern_of_covid_is_said_to_be_no_test_for_infection() -> None:
    document = read(build_report(showing(CHESTS["eleven findings"]), 9001).content)
    in_words = named(document, codes.QUALITATIVE_EVALUATIONS.value)[0]
    comments = [item.TextValue for item in in_words.ContentSequence if item.ValueType == "TEXT"]
    (comment,) = (text for text in comments if "COVID" in text)
    assert comment.endswith("not a test for infection")


def test_words_in_latin_9_have_the_letters_that_latin_1_lacks() -> None:
    made = account(good_header(1, SpecificCharacterSet=b"ISO_IR 203", PatientName=b"Name", StudyDescription=b""))
    named_so = finding("opacity", 0.9, code=Code("1", "99X", "Škoda"))
    content = build_report(replace(made, analysed=(AnalysedImage(made.lead, (named_so,)),)), 9001).content
    assert "Škoda: present".encode("iso8859-15") in content
