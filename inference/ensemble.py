"""What makes networks an ensemble: which findings they share, and how their boxes become one set. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from config.errors import PackageError
from inference.detector import overlap
from inference.findings import Box
from inference.manifest import EnsembleDetector, EnsembleManifest, Manifest, MemberSpec, PointsSpec, ReportedFinding


def member_problem(manifest: EnsembleManifest, members: Sequence[Manifest]) -> str:
    """Return what keeps these networks from being the members that the manifest describes; "" when nothing does."""
    if len(members) < 2:
        return f"an ensemble needs two members or more; it has {len(members)}"
    for number, (said, member) in enumerate(zip(manifest.members, members, strict=True), 1):
        if (said.name, said.version) != (member.name, member.version):
            return (
                f"members/{number} holds {member.name} {member.version}, but [[members]] says {said.name} "
                f"{said.version}"
            )
        for finding in manifest.findings:
            theirs = _finding(member, finding.label)
            if theirs is None:
                return f"finding {finding.label}: members/{number} ({member.name}) has none of that label"
            if (theirs.code, theirs.site, theirs.abnormal) != (finding.code, finding.site, finding.abnormal):
                return f"finding {finding.label}: members/{number} has another code, site or abnormal than the ensemble"
    for detector in manifest.detectors:
        if not any(member.detector(detector.finding) for member in members):
            return f"finding {detector.finding} has boxes = true, but no member draws boxes for it"
    if manifest.likeness is not None:
        for number, member in enumerate(members, 1):
            if member.likeness is None:
                return f"it has [likeness], but members/{number} ({member.name}) has no measure of its own"
    return ""


def draft(
    members: Sequence[Manifest],
    *,
    name: str,
    version: str,
    title: str,
    summary: str,
    licence: str,
    intended_use: str,
) -> EnsembleManifest:
    """Return an ensemble's manifest with every finding that all members have, in the order of the first member.

    Operating points are the means of the members', to be chosen anew on validation pictures. A finding has boxes when
    a member draws some. Raises :class:`PackageError` when no finding is in all of them.
    """
    findings: list[ReportedFinding] = []
    detectors: list[EnsembleDetector] = []
    for first in members[0].findings:
        shared = [finding for member in members if (finding := _finding(member, first.label))]
        if len(shared) < len(members):
            continue
        drawing = [detector for member in members if (detector := member.detector(first.label))]
        findings.append(
            ReportedFinding(
                label=first.label,
                abnormal=first.abnormal,
                code=first.code,
                site=first.site,
                points=_mean_points([finding.points for finding in shared]),
                boxes=bool(drawing),
                note=first.note,
            )
        )
        if drawing:
            detectors.append(
                EnsembleDetector(
                    finding=first.label,
                    max_boxes=max(detector.max_boxes for detector in drawing),
                    iou=min(detector.iou for detector in drawing),
                    points=_mean_points([detector.points for detector in drawing]),
                )
            )
    if not findings:
        shown = ", ".join(f"{member.name} {member.version}" for member in members)
        msg = f"these networks make no ensemble, {shown}: no finding is in all of them"
        raise PackageError(msg)
    return EnsembleManifest(
        name=name,
        version=version,
        title=title,
        summary=summary,
        licence=licence,
        intended_use=intended_use,
        members=tuple(MemberSpec(name=member.name, version=member.version) for member in members),
        findings=tuple(findings),
        detectors=tuple(detectors),
    )


def fuse_boxes(members: Sequence[Sequence[Box]], spec: EnsembleDetector) -> tuple[Box, ...]:
    """Return one set of boxes from those of several networks on the same picture, the surest first.

    Starting with the surest, a box joins the box it overlaps most, if by at least ``spec.fuse`` and if its own
    network has no part in that one yet; else it stands for itself. A fused box has the mean of its parts' corners,
    weighted by their scores, and the mean score over all networks, where a network that does not see it counts 0.
    Of fused boxes that overlap more than ``spec.iou`` the surer one stays. Operating points only set levels here.
    """
    ranked = sorted(
        ((box, network) for network, boxes in enumerate(members) for box in boxes),
        key=lambda entry: (-entry[0].score, _corners(entry[0]), entry[1]),
    )
    groups: list[_Group] = []
    for box, network in ranked:
        open_groups = [group for group in groups if network not in group.networks]
        nearest = max(open_groups, key=lambda group: overlap(group.fused, box), default=None)
        if nearest is not None and overlap(nearest.fused, box) >= spec.fuse:
            nearest.add(box, network)
        else:
            groups.append(_Group(box, [box], {network}))
    points = spec.points.points()
    fused = []
    for group in groups:
        score = float(sum(box.score for box in group.boxes) / len(members))
        fused.append(Box(*_corners(group.fused), score, points.level(score)))
    kept: list[Box] = []
    for box in sorted(fused, key=lambda box: (-box.score, _corners(box))):
        if len(kept) < spec.max_boxes and all(overlap(box, other) <= spec.iou for other in kept):
            kept.append(box)
    return tuple(kept)


@dataclass
class _Group:
    """Boxes that are one, of one network each."""

    fused: Box
    boxes: list[Box]
    networks: set[int] = field(default_factory=set)

    def add(self, box: Box, network: int) -> None:
        """Take in another network's box."""
        self.boxes.append(box)
        self.networks.add(network)
        weights = np.asarray([max(part.score, 1e-12) for part in self.boxes])
        parts = np.asarray([_corners(part) for part in self.boxes])
        mean = weights @ parts / weights.sum()
        x0, y0, x1, y1 = np.clip(mean, parts.min(axis=0), parts.max(axis=0)).tolist()  # rounding must not leave them
        self.fused = Box(x0, y0, x1, y1, self.fused.score, self.fused.level)


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def _finding(manifest: Manifest, label: str) -> ReportedFinding | None:
    return next((finding for finding in manifest.findings if finding.label == label), None)


def _mean_points(points: Sequence[PointsSpec]) -> PointsSpec:
    return PointsSpec(
        sensitive=sum(entry.sensitive for entry in points) / len(points),
        specific=sum(entry.specific for entry in points) / len(points),
    )
