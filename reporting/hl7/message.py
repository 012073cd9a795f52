"""The HL7 v2 message ORU^R01, of version 2.5.1 or 2.3.1: the findings for the system that ordered the study.

Built as text with every value escaped, because hl7apy takes assigned strings for structure and escapes escape
sequences again; hl7apy then judges the result, strictly, in :mod:`reporting.conformance`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from config.destinations import Hl7Destination
from inference.findings import Finding
from reporting import codes
from reporting.account import MANUFACTURER, Account, AnalysedImage
from reporting.charset import fold
from reporting.claims import Claim, ClaimedFinding, claims_of, number
from reporting.finding_codes import finding_codes
from reporting.hl7.er7 import (
    COMPONENT,
    ENCODING_CHARACTERS,
    SEGMENT_END,
    SUBCOMPONENT,
    components,
    escape,
    segment,
    wrapped,
    xpn,
)
from reporting.identity import control_id, device_uid
from reporting.impression import summarise
from reporting.source import is_uid, valid_for_vr
from reporting.words import note

CODECS = {"UNICODE UTF-8": "utf-8", "8859/1": "latin-1", "ASCII": "ascii"}
"""MSH-18 (HL7 table 0211) as Python codecs."""
LOCAL_SCHEME = "99CXRNODE"
LONGEST_NAMESPACE = 20
"""Characters an IS, such as a namespace ID, may have in version 2.5.1, escape sequences included."""
_STAT = components("S", "Stat", "HL70485")
"""TQ1-9: with highest priority."""
_OLD_STAT = components("", "", "", "", "", "S")
"""OBR-27 of version 2.3.1, which has no TQ1: its sixth component is the priority."""
_NAME_UNKNOWN = components("", "", "", "", "", "", "U")
"""PID-5 is required: a name of type U, unspecified (HL7 table 0200)."""


@dataclass(frozen=True, slots=True)
class BuiltMessage:
    """One message, encoded for its destination, segments ended by CR."""

    control_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ReportReference:
    """Where the structured report of the same analysis is."""

    series_uid: str
    sop_instance_uid: str


def message_id(account: Account, destination: str) -> str:
    """Return MSH-10 of the account's message to a destination; the same on every rebuild and resend."""
    return control_id(account.source_uids, account.model, account.revision, destination, account.lead.study_uid)


def build_message(
    account: Account,
    destination: Hl7Destination,
    report: ReportReference | None,
    critical: Collection[str] = (),
    *,
    urgent: bool = False,
) -> BuiltMessage:
    """Return the message for one destination.

    Parameters
    ----------
    account
        What to say; patient and study are those of its first image.
    destination
        Routing fields, version, codes and character set. Characters that the set lacks lose their accents or become
        ``?``.
    report
        The structured report to point to; None when it was not sent anywhere.
    critical
        Labels of the findings that the site calls critical.
    urgent
        Whether the study is urgent, which it stays: only then there is a priority, so that no message lowers one.
    """
    identity = message_id(account, destination.name)
    segments = [
        _msh(account, destination, identity),
        _pid(account, destination),
        segment("PV1", {1: "1", 2: "U"}),
        segment("ORC", {1: "RE", 2: _placer(account), 3: _filler(account, destination)}),
        _obr(account, destination, urgent=urgent),
        *([segment("TQ1", {1: "1", 9: _STAT})] if urgent and destination.version != "2.3.1" else []),
        *Observations(account, destination, critical).segments(report),
    ]
    text = SEGMENT_END.join(segments) + SEGMENT_END
    return BuiltMessage(identity, encode_for(text, destination.character_set))


def encode_for(text: str, character_set: str) -> bytes:
    """Return ``text`` in a character set of HL7 table 0211; what it lacks is folded as :func:`spell` does."""
    return spell(text, character_set).encode(CODECS[character_set])


def spell(text: str, character_set: str) -> str:
    """Return ``text`` with what a character set of HL7 table 0211 lacks folded to ASCII, which may lengthen it.

    Folding cannot make a delimiter: those come only from compatibility characters such as the full-width bar,
    which are replaced by ``?``.
    """
    codec = CODECS[character_set]
    kept = []
    for character in text:
        try:
            character.encode(codec)
        except UnicodeEncodeError:
            folded = fold(character)
            kept.append("?" if re.search(r"[|^~\\&\x00-\x1f\x7f]", folded) else folded)
        else:
            kept.append(character)
    return "".join(kept)


def _msh(account: Account, destination: Hl7Destination, identity: str) -> str:
    return segment(
        "MSH",
        {
            2: ENCODING_CHARACTERS,
            3: _hd(destination.sending_application),
            4: _hd(destination.sending_facility or account.institution),
            5: _hd(destination.receiving_application),
            6: _hd(destination.receiving_facility),
            7: _timestamp(account),
            9: components("ORU", "R01", "ORU_R01"),
            10: identity,
            11: "P",
            12: destination.version,
            15: "NE",
            16: "AL",
            18: destination.character_set,
        },
    )


def _hd(name: str, separator: str = COMPONENT) -> str:
    """Return a party as HD (chapter 2.A.36): its name as namespace ID or, longer than that may be, as universal ID.

    A universal ID is typed ISO if it is a UID, else L: locally defined (HL7 table 0301).
    """
    encoded = escape(name)
    if len(encoded) <= LONGEST_NAMESPACE:
        return encoded
    return separator.join(("", encoded, "ISO" if is_uid(name) else "L"))


def _pid(account: Account, destination: Hl7Destination) -> str:
    source = account.lead
    name = spell(source.text("PatientName"), destination.character_set)
    birth_date = source.text("PatientBirthDate")
    sex = source.text("PatientSex")
    return segment(
        "PID",
        {
            1: "1",
            3: _patient_id(account),
            5: xpn(name) or _NAME_UNKNOWN,
            7: birth_date if valid_for_vr("PatientBirthDate", birth_date) else "",
            8: sex if sex in {"M", "F", "O"} else "U",
        },
    )


def _patient_id(account: Account) -> str:
    """Return PID-3; without a Patient ID the study's UID stands there, typed U (unspecified), to match nobody."""
    identifier = account.lead.text("PatientID")
    if not identifier:
        return components(account.lead.study_uid, "", "", "", "U")
    issuer = account.lead.text("IssuerOfPatientID")
    return COMPONENT.join((escape(identifier), "", "", _hd(issuer, SUBCOMPONENT), "PI"))


def _placer(account: Account) -> str:
    return components(account.lead.text("PlacerOrderNumberImagingServiceRequest"))


def _filler(account: Account, destination: Hl7Destination) -> str:
    """Return the filler order number; without one, the study's UID, which a filler number must be unique as."""
    source = account.lead
    number = source.text("FillerOrderNumberImagingServiceRequest") or source.text("AccessionNumber")
    if number:
        return COMPONENT.join((escape(number), _hd(destination.sending_application))).rstrip(COMPONENT)
    return components(source.study_uid, "", source.study_uid, "ISO")


def _obr(account: Account, destination: Hl7Destination, *, urgent: bool) -> str:
    procedure = account.procedure
    return segment(
        "OBR",
        {
            1: "1",
            2: _placer(account),
            3: _filler(account, destination),
            4: components(procedure.value, procedure.meaning, procedure.scheme),
            7: _study_time(account),
            18: escape(account.lead.text("AccessionNumber")),
            22: _timestamp(account),
            24: "RAD",
            25: result_status(account),
            27: _OLD_STAT if urgent and destination.version == "2.3.1" else "",
        },
    )


def _study_time(account: Account) -> str:
    day, time = account.lead.text("StudyDate"), account.lead.text("StudyTime")
    if not day or not valid_for_vr("StudyDate", day):
        return ""
    if not valid_for_vr("StudyTime", time):
        return day
    clock = time.split(".")[0]
    return day + clock if len(clock) >= 4 else day


def result_status(account: Account) -> str:
    """Return OBR-25 (HL7 table 0123): preliminary until a person signs, corrected when it replaces an earlier one.

    Where no image was analysed it is I, no results available, procedure incomplete. X would say so, too, but also that
    the order is cancelled, and the order is not ours.
    """
    if account.corrects:
        return "C"
    return "P" if account.analysed else "I"


def _observation_status(account: Account) -> str:
    """Return OBX-11 (HL7 table 0085): as OBR-25, or X, results cannot be obtained, where no image was analysed."""
    return result_status(account) if account.analysed else "X"


def _timestamp(account: Account) -> str:
    return account.local_time().strftime("%Y%m%d%H%M%S%z")


class Observations:
    """The OBX segments of a message, numbered as they come.

    Version 2.3.1 has neither CWE (CE has the same components) nor OBX-18; OBX-17 then names the model, too. hl7apy
    wants OBX-4 in every line of it: 0 stands where a line belongs to no finding.
    """

    def __init__(self, account: Account, destination: Hl7Destination, critical: Collection[str]) -> None:
        self._account = account
        self._critical = critical
        self._destination = destination
        self._is_old = destination.version == "2.3.1"
        self._coded, self._no_group = ("CE", "0") if self._is_old else ("CWE", "")
        self._character_set = destination.character_set
        self._scored_only = destination.scored_only
        self._segments: list[str] = []
        self._model = (account.model.name, account.model.version, LOCAL_SCHEME) if self._is_old else ()
        self._equipment = components(
            f"{account.model.name} {account.model.version}", MANUFACTURER, device_uid(account.model), "ISO"
        )

    def segments(self, report: ReportReference | None) -> list[str]:
        """Return all of them: the impression in words, what was analysed, and each finding that is stated.

        What is scored only follows the stated findings of its image where the destination asks for it.
        """
        account = self._account
        self._impression()
        self._context(components("113014", "DICOM Study", "DCM"), account.lead.study_uid)
        if report is not None:
            self._context(components("112002", "Series Instance UID", "DCM"), report.series_uid)
            self._context(components("SR-UID", "DICOM SR SOP Instance UID", LOCAL_SCHEME), report.sop_instance_uid)
        before = 0
        for image in account.analysed:
            for entry in claims_of(image.findings):
                if entry.stated or self._scored_only:
                    self._finding(image, entry, str(before + entry.position + 1))
            before += len(image.findings)
        return self._segments

    def _finding(self, image: AnalysedImage, entry: ClaimedFinding[Finding], group: str) -> None:
        """Add one finding of one image. ``group`` (OBX-4) follows from its place in the package, not from its rank.

        What was not found has no number, unless the destination asks for all scores.
        """
        finding = entry.finding
        flag = "A" if entry.found else "N"
        if entry.claim is Claim.PRESENT and finding.label in self._critical:
            flag = "HH"
        if entry.claim in {Claim.WITHHELD, Claim.SCORED_ONLY}:
            flag = ""
        code = self._code(finding)
        presence = codes.presence(entry.claim)
        instance = image.source.sop_instance_uid
        self._add("ST", components("IMAGE-UID", "Analysed image", LOCAL_SCHEME), escape(instance), group=group)
        self._add(self._coded, components("121071", "Finding", "DCM"), code, group=group, flag=flag)
        if presence is not None:
            self._add(
                self._coded,
                components(codes.PRESENCE.value, codes.PRESENCE.meaning, "DCM"),
                components(presence.value, presence.meaning, presence.scheme_designator),
                group=group,
                flag=flag,
            )
        if entry.claim is not Claim.ABSENT or self._scored_only:
            self._add(
                "NM",
                components("111012", "Certainty of Finding", "DCM"),
                f"{number(finding):g}",
                group=group,
                units=components("%", "percent", "UCUM"),
                flag=flag,
            )
        if note(entry):
            comment = components(codes.COMMENT.value, codes.COMMENT.meaning, "DCM")
            for piece in self._pieces(f"{note(entry)}."):
                self._add("TX", comment, piece, group=group, flag=flag)

    def _code(self, finding: Finding) -> str:
        """Return a finding's code: the one that the receiver asks for, with the package's as the alternate one."""
        codings = finding_codes(finding, self._destination)
        return components(*(part for code in codings for part in (code.value, code.meaning, code.scheme_designator)))

    def _impression(self) -> None:
        """Add the impression, a line of text in each OBX: the headline, then each image's lines."""
        findings = components("59776-5", "Procedure findings", "LN")
        pieces = (piece for line in summarise(self._account) for piece in self._pieces(f"{line}."))
        for number_of_line, piece in enumerate(pieces, start=1):
            self._add("TX", findings, piece, group=f"T{number_of_line}")

    def _pieces(self, line: str) -> list[str]:
        """Return a line as values of a TX: validators hold each to the length of an ST."""
        return wrapped(spell(line, self._character_set))

    def _context(self, identifier: str, value: str) -> None:
        """Add what the result refers to: not a result itself (OBX-11 O), so no method and no device."""
        self._segments.append(
            segment(
                "OBX",
                {
                    1: str(len(self._segments) + 1),
                    2: "ST",
                    3: identifier,
                    4: self._no_group,
                    5: escape(value),
                    11: "O",
                },
            )
        )

    def _add(self, kind: str, identifier: str, value: str, *, group: str = "", units: str = "", flag: str = "") -> None:
        self._segments.append(
            segment(
                "OBX",
                {
                    1: str(len(self._segments) + 1),
                    2: kind,
                    3: identifier,
                    4: group or self._no_group,
                    5: value,
                    6: units,
                    8: flag,
                    11: _observation_status(self._account),
                    14: _timestamp(self._account),
                    17: components("123110", "Artificial Intelligence", "DCM", *self._model),
                    18: "" if self._is_old else self._equipment,
                },
            )
        )
