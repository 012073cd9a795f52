"""Write what ``benchmarks.detectors`` found into docs/developer-guide.md, between its two markers; none typed by hand.

.venv/bin/python -m benchmarks.detector_words
"""

import json
import textwrap
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[1] / "docs" / "developer-guide.md"
RESULTS = Path(__file__).parent / "results" / "detectors.json"
BEGIN, END = "<!-- figures: python -m benchmarks.detector_words -->", "<!-- /figures -->"


def section(report: dict[str, Any]) -> str:
    """Return the text between the markers."""
    rows = report["contenders"]
    header = (
        "",
        "AP at 0.5",
        "epochs in that time",
        "parameters",
        "package",
        "forward, fastest",
        "processor, a picture",
    )
    table = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|", *(_row(row) for row in rows)]
    return "\n".join([BEGIN, textwrap.fill(_how(report), 120), "", *table, "", textwrap.fill(_why(report), 120), END])


def _how(report: dict[str, Any]) -> str:
    machine, pictures = report["machine"], report["pictures"]
    return (
        f"keras-hub {machine['keras_hub']}'s RetinaNet and our centre-point detector learnt lung opacities from the "
        f"same {pictures['training']} pictures of the training folds for {report['seconds_each'] / 60:g} minutes each, "
        "in turns, on the same MobileNetV2 with the same frozen trunk, altered copies and optimizers. They were "
        f"measured on {pictures['validation']} pictures with {pictures['validation_boxes']} boxes of the validation "
        "fold, where RetinaNet has the better of its learning rates, chosen on that very fold. The load of the "
        f"machine's {machine['processors']} processors was {machine['load_before'][0]:.1f} before and "
        f"{machine['load_after'][0]:.1f} after: hold rows against each other, and quote no time."
    )


def _why(report: dict[str, Any]) -> str:
    ours, peer, *others = report["contenders"]
    limits, difference = report["limits"], report["ap50_ours_less_retinanet"]
    low, high = difference["interval"]
    verdict = "is ahead" if low > 0 else "is behind" if high < 0 else "is neither ahead nor behind"
    forward, usual = (row["forward_ms"]["fastest"] / ours["forward_ms"]["fastest"] for row in (peer, others[-1]))
    pace = peer["processor_seconds_a_training_picture"] / ours["processor_seconds_a_training_picture"]
    peers = [peer, *others]
    heavy = _breaking(peers, [row["package_mb"] > limits["package_mb"] for row in peers])
    slow = _breaking(peers, [row["forward_ms"]["fastest"] > limits["forward_ms"] for row in peers])
    return (
        f"Ours {verdict} in average precision after the same time (difference {difference['value']:.3f} "
        f"[{low:.3f}–{high:.3f}]), in which RetinaNet saw each picture {peer['epochs']:.1f} times and ours "
        f"{ours['epochs']:.1f} times; given longer it would learn more, and be no smaller or faster. The lightest "
        f"RetinaNet takes {forward:.1f} times as long to answer and {pace:.1f} "
        f"times the processor time to learn from a picture; the one that keras-hub makes by default takes {usual:.0f} "
        f"times as long to answer. A package may have {limits['package_mb']:g} MB and {limits['forward_ms']:g} ms: "
        f"{heavy} larger, {slow} slower. Its pyramid and heads have 256 channels and no setting for fewer, and its two "
        "initial biases had to be put right first. So the detector is our own."
    )


def replaced(guide: str, figures: str) -> str:
    """Return the guide with its figures exchanged."""
    before, _, rest = guide.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + figures + after


def _row(row: dict[str, Any]) -> str:
    ap = row.get("ap50")
    cells = (
        _name(row),
        "not fitted" if ap is None else f"{ap['value']:.3f} [{ap['interval'][0]:.3f}–{ap['interval'][1]:.3f}]",
        f"{row.get('epochs', '–')}",
        f"{row['parameters'] / 1e6:.1f} M",
        f"{row['package_mb']:.1f} MB",
        f"{row['forward_ms']['fastest']:.0f} ms",
        f"{row['processor_seconds_a_training_picture']:.2f} s",
    )
    return "| " + " | ".join(cells) + " |"


def _name(row: dict[str, Any]) -> str:
    return str(row["name"]).replace(" 1 convolutions", " 1 convolution")


def _breaking(rows: list[dict[str, Any]], breaks: list[bool]) -> str:
    if len(set(breaks)) == 1:
        return f"{'every' if breaks[0] else 'no'} RetinaNet is"
    names = [_name(row) for row, one in zip(rows, breaks, strict=True) if one]
    return f"{'; '.join(names)} {'is' if len(names) == 1 else 'are'}"


if __name__ == "__main__":
    GUIDE.write_text(
        replaced(GUIDE.read_text(encoding="utf-8"), section(json.loads(RESULTS.read_text(encoding="utf-8")))),
        encoding="utf-8",
    )
