"""The gate of presentation states: every region that is claimed, and no other, on the image that was analysed."""

from pydicom import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from reporting.account import Account, AnalysedImage
from reporting.charset import quiet
from reporting.dicom_object import BuiltObject
from reporting.gate import check_identity, demand, read_back
from reporting.outline import outline
from reporting.pr.presentation_state import LABEL, marked_regions, presentation_uids
from reporting.words import DISCLAIMER

_DATED = "PresentationCreation"


@quiet()
def check_presentation_state(built: BuiltObject, account: Account, image: AnalysedImage) -> None:
    """Check a presentation state against its account. Raises DocumentRejected with the first thing wrong."""
    document = read_back(built.content, _DATED)
    check_identity(document, built, account.lead, presentation_uids(account, image))
    source = image.source
    (annotation,) = _annotations(document)
    (referenced,) = annotation.ReferencedImageSequence
    demand(referenced.ReferencedSOPInstanceUID == source.sop_instance_uid, "the source image is not referenced")
    expected = [outline(box, source.rows, source.columns).ravel().tolist() for _, box, _ in marked_regions(image)]
    drawn = [[float(value) for value in entry.GraphicData] for entry in annotation.GraphicObjectSequence]
    close = len(drawn) == len(expected) and all(
        abs(there - here) < 0.01 for found, meant in zip(drawn, expected, strict=True)
        for there, here in zip(found, meant, strict=True)
    )  # fmt: skip
    demand(close, "the outlines are not those of the regions")


@quiet()
def check_presentation_state_alone(content: bytes) -> None:
    """Check a presentation state without its account. Raises DocumentRejected with the first thing wrong."""
    _annotations(read_back(content, _DATED))


def _annotations(document: Dataset) -> list[Dataset]:
    demand(document.SOPClassUID == GrayscaleSoftcopyPresentationStateStorage, "the SOP class is no presentation state")
    demand(document.get("ContentLabel") == LABEL, "the content label is missing")
    demand(document.get("PresentationLUTShape") in {"IDENTITY", "INVERSE"}, "the presentation LUT is missing")
    annotations = list(document.get("GraphicAnnotationSequence") or ())
    demand(len(annotations) == 1, "there is not one set of annotations")
    texts = [str(text.UnformattedTextValue) for text in annotations[0].get("TextObjectSequence") or ()]
    demand(bool(texts) and texts[0] == DISCLAIMER, "the annotations do not say first what they are")
    demand(len(texts) == 1 + len(annotations[0].GraphicObjectSequence), "a region has no words")
    return annotations
