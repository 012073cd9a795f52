"""From a stored file to an image analysis: eligibility, pixels, model.

What is wrong with one image is that image's result, "not analysed because …"; only what is wrong with this node (a
missing file, no memory) is raised.
"""

import copy
import hashlib
import importlib.metadata
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from config.errors import UndecodablePixels, UnreadableInstance
from config.settings import InferenceSettings
from inference.anatomy.assess import assess
from inference.anatomy.network import AnatomyNetwork
from inference.eligibility import HeaderAnswer, eligibility
from inference.findings import (
    ImageAnalysis,
    ImageResult,
    ModelIdentity,
    finding_to_json,
    remarks_to_json,
)
from inference.header import Header
from inference.likeness.restriction import UNLIKE, restrict
from inference.model import Model
from inference.no_header import HEADER_ANSWER, with_remark
from inference.not_analysed import NotAnalysed, ReasonCode
from inference.pixels import Picture, implausible, parse_dataset, render
from inference.site_points import Points, known_points
from inference.verdict.judge import judge
from inference.verdict.network import VerdictNetwork
from tracking.results.analyses import FindingRecord, OutcomeRecord

Keep = Callable[[Path, Picture], None]
"""Takes the decoded image of a stored file."""
STAGES = ("read", "decode", "verdict", "resize", "forward", "interpret", "anatomy")

OVERSAMPLING = 2
"""Pixels that are decoded for one of the model's input: at 2 the input differs by 0.0003 to 0.0005 of the range from
that of the whole image, at 1.3 by enough to move findings that stand near an operating point."""


@dataclass
class StageTimes:
    """Seconds spent in each stage."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the body to a stage, also when it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


class Analyser:
    """A model package in its engine, loaded once: files in, findings out. Safe to share between threads.

    ``keep`` is given the images of stored files on which there are findings, for those who draw them.
    """

    def __init__(self, settings: InferenceSettings, keep: Keep = lambda _path, _image: None) -> None:
        self._settings = settings
        self._keep = keep
        self._model = Model.open(settings.package, settings)
        self._verdict = VerdictNetwork.open(settings.verdict_package, settings)
        self.identity: ModelIdentity = self._model.identity
        self._anatomy = AnatomyNetwork.open(settings.anatomy_package, settings) if settings.anatomy_package else None
        self.digest = self._digest()
        """SHA-256, hexadecimal, of all that a result follows from beside the image: analysers that share it agree."""
        specs = [member.manifest.input for member in self._model.package.members]
        self._at_least = OVERSAMPLING * max(max(spec.rows, spec.columns) for spec in specs)

    def with_points(self, points: Points) -> "Analyser":
        """Return this analyser with other operating points of the site, the networks shared; itself where they hold.

        Points of findings that the package does not have are left out.
        """
        known = known_points(self._model.package, points)
        if known == self._settings.operating_points:
            return self
        other = copy.copy(self)
        other._settings = self._settings.model_copy(update={"operating_points": known})
        other._model = self._model.with_points(known)
        other.digest = other._digest()
        return other

    def _digest(self) -> str:
        """Return the digest of an analyser: packages, engine, settings that change results, version of the program."""
        names = {"package", "verdict_package", "anatomy_package", "engine", "threads"}
        parts = {
            "package": self.identity.digest,
            "verdict": self._verdict.package.digest,
            "anatomy": None if self._anatomy is None else self._anatomy.package.digest,
            "engine": self.identity.engine,
            "settings": self._settings.model_dump(mode="json", exclude=names),
            "version": importlib.metadata.version("cxrnode"),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def analyse_file(self, path: Path, times: StageTimes, *, has_header: bool = True) -> ImageAnalysis:
        """Return what comes of one stored file: findings, or why there are none.

        ``has_header`` is false for the object that an uploaded PNG or JPEG became.

        Raises OSError when the file cannot be read from the disk and MemoryError, for both are no fault of the
        picture's.
        """
        with times.stage("read"):
            encoded = path.read_bytes()
        analysis, picture = self.analyse_dicom(encoded, times, has_header=has_header)
        if picture is not None and not analysis.refused:
            self._keep(path, picture)
        return analysis

    def analyse_dicom(
        self, encoded: bytes, times: StageTimes, *, has_header: bool = True
    ) -> tuple[ImageAnalysis, Picture | None]:
        """Return what comes of one encoded DICOM file, with its image; None where it was not decoded.

        Without ``has_header`` its header is that of :func:`dicom_node.format.upload_object.secondary_capture`, which
        says nothing of the image.
        """
        try:
            with times.stage("read"):
                dataset = parse_dataset(encoded)
                header = HEADER_ANSWER if not has_header else eligibility(Header.of(dataset), self._settings)
            if header.refusal is not None:
                return ImageAnalysis(header.refusal), None
            with times.stage("decode"):
                picture = render(dataset, self._settings.max_pixels, self._at_least)
        except UnreadableInstance:
            return ImageAnalysis(NotAnalysed(ReasonCode.NO_DICOM)), None
        except UndecodablePixels as error:
            return ImageAnalysis(NotAnalysed(ReasonCode.UNDECODABLE, {"detail": str(error)})), None
        analysis = self.analyse_picture(picture, header, times)
        if not has_header:
            return with_remark(analysis), picture
        return replace(analysis, remarks=(*header.remarks, *analysis.remarks)), picture

    def analyse_picture(self, picture: Picture, header: HeaderAnswer, times: StageTimes) -> ImageAnalysis:
        """Return what comes of one decoded image.

        Parameters
        ----------
        picture
            The image in presentation polarity.
        header
            What its header says, no refusal. Only a sure verdict of the image settles a doubt
            (:func:`inference.verdict.judge.judge`).
        times
            Where the seconds of each stage are counted.
        """
        with times.stage("decode"):
            refusal = implausible(picture)
        if refusal is not None:
            return ImageAnalysis(refusal, picture.remarks)
        with times.stage("verdict"):
            judgement = judge(self._verdict, picture, header, mend=self._settings.mend_orientation)
        if judgement.refusal is not None:
            return ImageAnalysis(judgement.refusal, picture.remarks, judgement.verdict.as_json())
        with times.stage("resize"):
            inputs = self._model.inputs(judgement.picture)
        with times.stage("forward"):
            answers = self._model.forward(inputs)
        with times.stage("interpret"):
            findings = self._model.interpret(answers)
            distance = self._model.distance(answers)
            unlike = self._model.unlike(distance)
            findings = restrict(findings, unlike=unlike, holds=self._model.holds_when_unlike)
        image = judgement.verdict.as_json()
        if self._anatomy is not None:
            with times.stage("anatomy"):
                outlines = self._anatomy.outlines(judgement.picture)
                image["anatomy"] = judgement.on_stored_anatomy(assess(outlines)).as_json()
        findings = judgement.on_stored(findings)
        remarks = (*picture.remarks, *judgement.remarks, *((UNLIKE,) if unlike else ()))
        return ImageAnalysis(findings, remarks, image, distance)


def outcome_record(result: ImageResult) -> OutcomeRecord:
    """Return a result in the terms of the tracking room."""
    analysis = result.analysis
    refusal = analysis.outcome if isinstance(analysis.outcome, NotAnalysed) else None
    findings = () if isinstance(analysis.outcome, NotAnalysed) else analysis.outcome
    return OutcomeRecord(
        instance_uid=result.sop_instance_uid,
        reason=None if refusal is None else refusal.reason.value,
        because=None if refusal is None else refusal.because,
        code=None if refusal is None else refusal.code.value,
        values=None if refusal is None else dict(refusal.values),
        findings=tuple(
            FindingRecord(
                label=finding.label,
                code_value=finding.code.value,
                code_scheme=finding.code.scheme,
                code_meaning=finding.code.meaning,
                score=finding.score,
                level=finding.level.value,
                abnormal=finding.abnormal,
                detail=finding_to_json(finding),
            )
            for finding in findings
        ),
        remarks=remarks_to_json(analysis.remarks),
        verdict=analysis.verdict,
        distance=analysis.distance,
    )
