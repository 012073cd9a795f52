"""Every kind of document of many studies, by validators that nobody here wrote: no error in any of them.

    .venv/bin/python -m benchmarks.validated [--every N] [--pixelmed N] [--keep FOLDER] [--write]

A node in one process takes phantoms with sloppy headers, names in all character sets, none to ten findings and, from
``CXR_DATA`` and ``CXR_CASES``, real radiographs and the files that once went wrong, in each of the six languages by
turns. What is said of them is given, so that every sort of finding occurs. It builds and delivers report (in the three
SR classes), captures, presentation state, HL7 v2.5.1 and v2.3.1, FHIR, and takes all of it back. All that lies in its
document store then is validated: dciodvfy, dsrdump, dcmpschk, PixelMed (the checks of ``validate_dicom``), hl7apy
(strict, whole) and ``fhir.resources`` (R4B). A document that its own gate refused counts as an error.

With ``--write`` the figures go to ``benchmarks/results/validated.json``; ``python -m benchmarks.validated_page`` makes
the table in docs/conformance.md of them.
"""

import argparse
import contextlib
import json
import os
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import pydicom
import structlog
from fhir.resources.R4B.bundle import Bundle
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID
from sqlalchemy import select

from benchmarks.validators import dicom
from config.destinations import DicomDestination, FhirDestination, Hl7Destination
from config.errors import CxrnodeError
from config.language.translation import Language, speaking
from config.settings import Settings
from inference.findings import Finding
from inference.pixels import read_picture
from reporting.assemble import assemble_account, load_subject
from reporting.sr.report import build_report
from reporting.sr.report_classes import ReportClass
from tests.accounts import CHESTS, SLOPPY, chest, good_header, hot_map
from tests.accounts import COLUMNS as DRAWN_COLUMNS
from tests.accounts import ROWS as DRAWN_ROWS
from tests.fhir_server import running
from tests.phantoms import phantom_dataset
from tests.reporting.conftest import Studies
from tests.reporting.way import USER, Way, open_way
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.outbox.reasons import Reason
from tracking.outbox.withdrawal import withdraw_study
from tracking.tables.models import Analysis, Document

RESULTS = Path(__file__).parent / "results" / "validated.json"
SIZE = 400
CHARACTER_SETS = {
    "ISO_IR 100": ("latin-1", "Müller^Jörg"), "ISO_IR 101": ("iso8859-2", "Ďurič^Željko"),
    "ISO_IR 144": ("iso8859-5", "Люкceмбypг"), "ISO_IR 126": ("iso8859-7", "Διονυσιος"),
    "ISO_IR 127": ("iso8859-6", "قباني^لنزار"), "ISO_IR 138": ("iso8859-8", "שרון^דבורה"),
    "ISO_IR 148": ("iso8859-9", "Çavuşoğlu^İbrahim"), "ISO_IR 166": ("iso8859-11", "สมชาย"),
    "ISO_IR 192": ("utf-8", "Wang^XiaoDong=王^小东"), "GB18030": ("gb18030", "Wang^XiaoDong=王^小东"),
}  # fmt: skip
"""A name in each; the multi-byte sets of ISO 2022 are among the sloppy headers."""
AS_DECLARED = ("SpecificCharacterSet", "Specific Character Set", "character repertoire")
"""What dciodvfy says of a character set that the source declared wrongly, or not at all: it is repeated as it came."""
CHECKS: dict[str, tuple[Callable[[Path], list[str]], ...]] = {
    "sr": (dicom.dciodvfy, dicom.dsrdump), "sc": (dicom.dciodvfy,), "sc-grey": (dicom.dciodvfy,),
    "map": (dicom.dciodvfy,), "summary": (dicom.dciodvfy,), "pr": (dicom.dciodvfy, dicom.dcmpschk),
    "note": (dicom.dciodvfy, dicom.dsrdump),
}  # fmt: skip
"""By kind of document; PixelMed validates the reports, too, all at once."""


@dataclass(frozen=True, slots=True)
class Study:
    """A study: the group it is counted in, what is wrong or special, how to get its file, and how often it has it."""

    group: str
    name: str
    write: Callable[[Path], None]
    findings: tuple[Finding, ...]
    images: int = 1


def drawn_studies() -> Iterator[Study]:
    """Yield phantoms: every sloppy header, every character set, none to ten findings."""
    sorts = cycle(CHESTS.values())
    for name, make in SLOPPY.items():
        yield Study("sloppy headers", name, _phantom(make()), next(sorts))
    for term, (codec, patient) in CHARACTER_SETS.items():
        for declared in (True, False):
            header = good_header(
                SpecificCharacterSet=term.encode() if declared else None,
                PatientName=patient.encode(codec), StudyDescription=b"x",
            )  # fmt: skip
            name = f"{term}{'' if declared else ', undeclared'}"
            yield Study("character sets", name, _phantom(header), next(sorts))
    for count in range(11):
        scores = (*(0.9 if number < count else 0.01 for number in range(10)), 0.9 if count == 0 else 0.01)
        yield Study("none to ten findings", f"{count}", _phantom(good_header()), chest(scores))
    for name, findings in CHESTS.items():
        yield Study("none to ten findings", name, _phantom(good_header()), findings)
        yield Study("two images", name, _phantom(good_header()), findings, images=2)


def file_studies(group: str, files: Sequence[Path]) -> Iterator[Study]:
    """Yield studies of files as they are; one whose UIDs were there before is left out."""
    sorts = cycle(CHESTS.values())
    seen: set[str] = set()
    for file in files:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            names = (str(header.SOPInstanceUID), str(header.StudyInstanceUID))
            read_picture(file, 10**8)
        except (CxrnodeError, InvalidDicomError, AttributeError, OSError, RecursionError, ValueError):
            continue  # not analysed, so nothing is said of it
        if seen.isdisjoint(names):
            seen.update(names)
            yield Study(group, file.name, _copy(file), next(sorts))


def _copy(file: Path) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(file.read_bytes())

    return write


def _phantom(header: Dataset) -> Callable[[Path], None]:
    """Return what writes a phantom with the attributes of a header, byte for byte; its UIDs stay its own."""
    number = next(_numbers)

    def write(path: Path) -> None:
        image = phantom_dataset(1 + number % 8, size=SIZE, opacity=True)
        for keyword in {element.keyword for element in good_header()} & set(image.dir()):
            del image[keyword]
        for tag in header.keys():  # noqa: SIM118 - iterating gives elements, which would be decoded
            image[tag] = header.get_item(tag)
        image.Rows = image.Columns = SIZE
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.{number}.3")
        image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.826.0.1.{number}.1", f"1.2.826.0.1.{number}.2"
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.save_as(path, enforce_file_format=True)

    return write


_numbers = iter(range(1, 10**6))


class Node:
    """A node in one process, with every kind of destination."""

    def __init__(self, way: Way, fhir_url: str) -> None:
        self.way = way
        here = "127.0.0.1"
        ris = way.settings.destinations[1]
        assert isinstance(ris, Hl7Destination)
        destinations = (
            DicomDestination(
                kind="dicom", name="pacs", host=here, port=way.archive.port, ae_title="ORTHANC",
                documents=("sr", "sc", "sc-grey", "map", "summary", "pr"),
            ),
            ris,
            ris.model_copy(update={"name": "old-ris", "version": "2.3.1", "character_set": "ASCII"}),
            FhirDestination(kind="fhir", name="ehr", url=fhir_url),
        )  # fmt: skip
        way.settings = way.settings.model_copy(update={"destinations": destinations})
        self.reports: list[tuple[str, Path]] = []
        """Of the other SR classes: kind and file."""

    def say(self, study: Study, language: Language, folder: Path) -> None:
        """Take a study, say what was found, and take it back."""
        way = self.way
        node = way.settings.node.model_copy(update={"language": language})
        way.settings = way.settings.model_copy(update={"node": node})
        file = folder / "next.dcm"
        study.write(file)
        dataset = pydicom.dcmread(file, force=True)
        way.study = str(dataset.StudyInstanceUID)
        uid = way.studies.receive(dataset, content=file.read_bytes())
        way.model.findings[uid] = _placed(study.findings, int(dataset.Rows), int(dataset.Columns))
        for number in range(2, study.images + 1):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{uid}.{number}")
            way.model.findings[way.studies.receive(dataset)] = way.model.findings[uid]
        way.work()
        self._other_classes(folder, language)
        with way.database.transaction() as tx:
            withdraw_study(tx, way.study, reason=Reason.SAFETY, why="w", told=way.told, user=USER)
        way.work("deliver")

    def documents(self) -> list[tuple[str, Path]]:
        """Return kind and file of every document that was built, and none of those that were refused."""
        with self.way.database.reading() as read:
            rows = read.execute(select(Document.kind, Document.path).where(Document.quarantined.is_(None))).all()
        store = self.way.settings.document_dir
        return [*((kind, store / path) for kind, path in rows if path), *self.reports]

    def refused(self) -> list[str]:
        """Return kind and reason of documents that the node itself refused."""
        with self.way.database.reading() as read:
            rows = select(Document.kind, Document.quarantined).where(Document.quarantined.is_not(None))
            return [f"{kind}: {reason}" for kind, reason in read.execute(rows)]

    def _other_classes(self, folder: Path, language: Language) -> None:
        with self.way.database.reading() as read:
            latest = select(Analysis.id).where(Analysis.study_uid == self.way.study).order_by(Analysis.id.desc())
            subject = load_subject(read, read.scalars(latest).first() or 0)
        account = assemble_account(subject, self.way.settings)
        for kind in (ReportClass.COMPREHENSIVE, ReportClass.ENHANCED):
            file = folder / f"{len(self.reports)}.dcm"
            with speaking(language):
                file.write_bytes(build_report(account, 9001, kind).content)
            self.reports.append(("sr", file))


def _placed(findings: tuple[Finding, ...], rows: int, columns: int) -> tuple[Finding, ...]:
    """Return findings whose regions lie on an image of that size; the one with regions has a score map."""
    x, y = columns / DRAWN_COLUMNS, rows / DRAWN_ROWS
    return tuple(
        replace(
            finding,
            boxes=tuple(replace(box, x0=box.x0 * x, x1=box.x1 * x, y0=box.y0 * y, y1=box.y1 * y)
                        for box in finding.boxes),
            map=hot_map() if finding.label == "lung_opacity" and finding.boxes else None,
        )
        for finding in findings
    )  # fmt: skip


def validate_text(kind: str, file: Path) -> list[str]:
    """Return what is wrong with an HL7 message or a FHIR bundle: by hl7apy, strict and whole, or by the R4B model."""
    content = file.read_bytes()
    try:
        if kind.startswith("fhir"):
            Bundle.model_validate_json(content)
        else:
            text = content.decode()
            parse_message(text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True).validate()
    except Exception as error:  # noqa: BLE001 - whatever a validator raises is its verdict
        return [f"{type(error).__name__}: {error}"]
    return []


def validate(
    documents: Sequence[tuple[str, Path]], folder: Path, most: int | None
) -> tuple[Counter[str], int, list[str]]:
    """Return how many documents of each kind were validated, how many of them by PixelMed, and each error.

    ``most`` is for how many reports PixelMed is asked, those that the node sends first; None for all.
    """
    errors: dict[tuple[str, Path], list[str]] = defaultdict(list)
    reports = [file for kind, file in documents if kind == "sr"][:most]
    for kind, file in documents:
        checks = CHECKS.get(kind)
        found = validate_text(kind, file) if checks is None else [line for check in checks for line in check(file)]
        errors[kind, file] += [line for line in found if not any(words in line for words in AS_DECLARED)]
    for file, found in dicom.pixelmed(reports, folder).items():
        errors["sr", file] += found
    counts = Counter(_name(kind, file) for kind, file in documents)
    found = [f"{kind} {file.name}: {line}" for (kind, file), lines in errors.items() for line in lines]
    return counts, len(reports), found


def _name(kind: str, file: Path) -> str:
    """Return a kind of document, HL7 messages with their version."""
    if not kind.startswith("hl7"):
        return kind
    header = file.read_bytes().split(b"\r")[0]
    return f"{kind} {'2.3.1' if b'|2.3.1|' in header else '2.5.1'}"


def _place(variable: str, default: str) -> Path | None:
    """Return a folder that an environment variable or the usual place names, None where there is none."""
    folder = Path(os.environ.get(variable, Path(__file__).parents[2] / "shared" / default))
    return folder if folder.is_dir() else None


def all_studies(every: int) -> tuple[list[Study], list[str]]:
    """Return the studies, and the names of what is left out because it is not there."""
    studies, left_out = list(drawn_studies()), []
    for group, variable, default, folders in (
        ("real radiographs", "CXR_DATA", "data", ("dicom/chest", "dicom/rsna")),
        ("files that went wrong", "CXR_CASES", "cases", (".",)),
    ):
        place = _place(variable, default)
        if place is None:
            left_out.append(f"{group} ({variable})")
            continue
        files = [file for folder in folders for file in sorted((place / folder).rglob("*.dcm"))]
        studies += file_studies(group, files)
    return studies[::every], left_out


def main() -> None:
    """Build, validate, print and keep the figures; exit 1 on any error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every Nth study (default 1, all)")
    parser.add_argument("--keep", type=Path, help="a new folder for the documents, which is kept")
    parser.add_argument("--pixelmed", type=int, metavar="N", help="ask PixelMed for N reports only: each takes seconds")
    parser.add_argument("--write", action="store_true", help=f"keep the figures as {RESULTS.name}")
    options = parser.parse_args()
    if absent := dicom.missing():
        parser.exit(0, f"skipped: not installed: {', '.join(absent)}\n")
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with contextlib.ExitStack() as stack:
        if options.keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="validated-")))
        else:
            folder = options.keep
            folder.mkdir(parents=True)
        result, errors = measure(folder, every=options.every, most=options.pixelmed)
    print(json.dumps(result, indent=1, ensure_ascii=False))
    for error in errors:
        print(error)
    if options.write:
        RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    raise SystemExit(bool(errors))


def measure(folder: Path, *, every: int, most: int | None) -> tuple[dict[str, Any], list[str]]:
    """Build and validate everything in a folder; return the figures and the errors."""
    studies, left_out = all_studies(every)
    settings = Settings(node={"data_dir": folder / "node"}, receive={"settle_seconds": 0})
    settings.document_dir.mkdir(parents=True)
    database = Database.open(f"sqlite:///{folder / 'cxrnode.db'}")
    schema.upgrade(database)
    with running() as fhir, open_way(Studies(settings, database), settings) as way:
        node = Node(way, fhir.url)
        for study, language in zip(studies, cycle(Language), strict=False):
            node.say(study, language, folder)
        documents, refused = node.documents(), node.refused()
        counts, reports, errors = validate(documents, folder, most)
    database.close()
    errors += refused
    return {
        "at": datetime.now(UTC).date().isoformat(),
        "studies": dict(Counter(study.group for study in studies)),
        "left_out": left_out,
        "languages": len(Language),
        "documents": dict(sorted(counts.items())),
        "validated": counts.total(),
        "reports_by_pixelmed": reports,
        "errors": len(errors),
    }, errors


if __name__ == "__main__":
    main()
