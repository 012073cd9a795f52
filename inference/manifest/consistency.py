"""Whether the tables of a manifest go together: what one names must be in another."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from inference.findings import MapKind
from inference.manifest.tables import HeadSpec

if TYPE_CHECKING:
    from inference.manifest.manifests import AnyManifest, EnsembleManifest, Manifest


def network_problems(manifest: "Manifest") -> Iterator[str]:
    """Say what does not go together in a network's manifest."""
    yield from _output_problems(manifest)
    yield from _finding_problems(manifest)
    yield from _box_problems(manifest)
    yield from _shared_problems(manifest)


def ensemble_problems(manifest: "EnsembleManifest") -> Iterator[str]:
    """Say what does not go together in an ensemble's manifest."""
    yield from _label_problems(manifest)
    yield from _detector_problems(manifest)
    yield from _shared_problems(manifest)


def head_problems(heads: Sequence[HeadSpec]) -> Iterator[str]:
    """Say what is wrong with heads by themselves."""
    yield from _repeated("the names of the heads", [head.name for head in heads])
    for head in heads:
        yield from _repeated(f"head {head.name}: its names", head.names)
        if head.activation == "softmax" and len(head.names) < 2:
            yield f'head {head.name}: a softmax needs two names or more; use activation = "sigmoid" for one'


def _output_problems(manifest: "Manifest") -> Iterator[str]:
    """Say what is wrong with heads and maps by themselves."""
    yield from head_problems(manifest.heads)
    indices = [head.index for head in manifest.heads]
    if manifest.maps is not None:
        yield from _repeated("maps.names", manifest.maps.names)
        indices += [manifest.maps.heat, manifest.maps.box]
    if manifest.likeness is not None:
        indices.append(manifest.likeness.features)
    if sorted(indices) != list(range(len(indices))):
        shown = ", ".join(str(index) for index in indices)
        outputs = "the indices of heads, maps and likeness"
        yield f"{outputs} must be 0, 1, 2 … without a gap or a repetition; they are {shown}"


def _finding_problems(manifest: "Manifest") -> Iterator[str]:
    """Say which findings ask for what is not there."""
    yield from _label_problems(manifest)
    heads = {head.name: head for head in manifest.heads}
    channels = () if manifest.maps is None else manifest.maps.names
    earlier: list[str] = []
    for finding in manifest.findings:
        who, calibration = f"finding {finding.label}", finding.calibration
        if finding.head not in heads:
            yield f"{who}: there is no head {finding.head}; the heads are {', '.join(heads)}"
        elif finding.class_ not in heads[finding.head].names:
            yield f"{who}: class {finding.class_} is not among the names of head {finding.head}"
        if finding.given is not None and finding.given not in earlier:
            yield f"{who}: given must name an earlier finding; {finding.given} is none"
        if calibration.heat and manifest.maps is None:
            yield f"{who}: calibration.heat needs [maps]"
        elif calibration.heat and calibration.channel is None:
            yield f"{who}: calibration.heat needs calibration.channel, one of maps.names"
        elif calibration.channel is not None and calibration.channel not in channels:
            yield f"{who}: calibration.channel {calibration.channel} is not among maps.names"
        earlier.append(finding.label)


def _box_problems(manifest: "Manifest") -> Iterator[str]:
    """Say which detectors ask for what is not there."""
    for detector in manifest.detectors:
        if manifest.maps is None:
            yield f"the detector of {detector.finding} needs [maps]"
        elif detector.channel not in manifest.maps.names:
            yield f"the detector of {detector.finding}: channel {detector.channel} is not among maps.names"
    yield from _detector_problems(manifest)


def _detector_problems(manifest: "AnyManifest") -> Iterator[str]:
    """Say where findings with boxes and detectors do not go together, one to one."""
    detected = [detector.finding for detector in manifest.detectors]
    boxes = {finding.label: finding.boxes for finding in manifest.findings}
    for label in dict.fromkeys(detected):
        if label not in boxes:
            yield f"a detector names the finding {label}, which there is not"
        elif detected.count(label) > 1:
            yield f"finding {label} has {detected.count(label)} detectors; it can have one"
        elif not boxes[label]:
            yield f"finding {label} has a detector, so it must have boxes = true"
    for label, wanted in boxes.items():
        if wanted and label not in detected:
            yield f"finding {label} has boxes = true but no [[detectors]] entry"


def _shared_problems(manifest: "AnyManifest") -> Iterator[str]:
    """Say which score maps and which likeness ask for what is not there, in a network and in an ensemble alike."""
    for finding in manifest.findings:
        if finding.map is not None and finding.map.kind is MapKind.HEAT and not finding.boxes:
            yield f'finding {finding.label}: map.kind = "heat" needs boxes = true, whose detector makes the map'
    labels = {finding.label for finding in manifest.findings}
    for label in () if manifest.likeness is None else manifest.likeness.holds:
        if label not in labels:
            yield f"likeness.holds names the finding {label}, which there is not"


def _label_problems(manifest: "AnyManifest") -> Iterator[str]:
    yield from _repeated("the labels of the findings", [finding.label for finding in manifest.findings])


def _repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    """Say which name stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{what} must be unique; {name} stands twice"
            return
        seen.add(name)
