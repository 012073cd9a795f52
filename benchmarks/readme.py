"""Write the figures of the last full benchmark runs into README.md, between its two markers; none is typed by hand.

.venv/bin/python -m benchmarks.readme
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = Path(__file__).parent / "results"
GOAL = {"DCMTK storescp": 2.0, "Orthanc": 3.0}
BEGIN, END = "<!-- figures: python -m benchmarks.readme -->", "<!-- /figures -->"


def section(receive: dict[str, Any], turnaround: dict[str, Any]) -> str:
    """Return the text between the markers."""
    return "\n".join([BEGIN, *_receive(receive), "", *_turnaround(turnaround), END])


def replaced(readme: str, figures: str) -> str:
    """Return the README with its figures exchanged."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + figures + after


def _receive(result: dict[str, Any]) -> list[str]:
    machine = result["machine"]
    lines = [
        f"Receiving, against DCMTK's `storescp +B` and Orthanc in one run ({machine['processors']} processors, "
        f"{result['rounds']} rounds, all on one machine). cxrnode answers when file, folder and database are flushed "
        "to disk; Orthanc flushes the file only, `storescp` nothing. How many times faster cxrnode is:",
        "",
        "| load | DCMTK's sender: × DCMTK | × Orthanc | bare sender: × DCMTK | × Orthanc |",
        "|---|---|---|---|---|",
    ]
    by_load: dict[str, dict[str, dict[str, float]]] = {}
    for row in result["loads"]:
        by_load.setdefault(row["load"], {})[row["sender"]] = row["cxrnode_times_faster"]
    for load, senders in by_load.items():
        cells = [
            f"{senders[sender][peer]:.1f}" if sender in senders else "–"
            for sender in ("storescu", "lean")
            for peer in ("DCMTK storescp", "Orthanc")
        ]
        lines.append(f"| {load} | {' | '.join(cells)} |")
    alone = result["storescu_alone_ms_an_image"]
    each = {
        row["load"]: row for row in result["loads"] if row["sender"] == "storescu" and "one association" in row["load"]
    }
    limits = "; ".join(
        f"{load.rsplit(', ', 1)[1]}: {row['ms_an_image']['cxrnode'] / alone[load.rsplit(', ', 1)[1].split()[0]]:.2f} ×"
        for load, row in each.items()
    )
    first, last = result["memory"][0], result["memory"][-1]
    growth = last["rss_mib"] / first["rss_mib"] - 1
    return [
        *lines,
        "",
        "DCMTK's sender is what hospitals' toolkits are built on; it waits for a delayed acknowledgement with every "
        "small image, unless the receiver sends it at once, which cxrnode does, and much of the lead is that. The bare "
        "sender never waits: with it cxrnode, which flushes and commits, is faster than `storescp`, which does not, "
        f"on {_count(by_load, 'lean', {'DCMTK storescp': 1})} of {len(by_load)} loads. Our goal, 2 × DCMTK and 3 × "
        f"Orthanc, is met on {_count(by_load, 'storescu', GOAL)} of {len(by_load)} loads with DCMTK's sender and on "
        f"{_count(by_load, 'lean', GOAL)} with the bare one. With one association an image DCMTK's sender starts a "
        "process for each, which is most of the time: ours as a multiple of that sender hung up on at once, "
        f"{limits} (below 1: being hung up on is not quite the same way through the sender). "
        f"Memory after {last['images']:,} images: {growth:+.0%} ({receive_note(result)}).",
    ]


def _count(by_load: dict[str, dict[str, dict[str, float]]], sender: str, least: dict[str, float]) -> int:
    """Return the number of loads on which cxrnode is at least so many times faster than each peer named."""
    return sum(all(senders[sender][peer] >= ratio for peer, ratio in least.items()) for senders in by_load.values())


def receive_note(result: dict[str, Any]) -> str:
    """Return the memory series in one line."""
    return ", ".join(f"{point['images']}: {point['rss_mib']:.0f} MiB" for point in result["memory"])


def _turnaround(result: dict[str, Any]) -> list[str]:
    stages = result["stages"]
    lines = [
        f"From the last C-STORE response to report and capture stored and HL7 acknowledged ({result['studies']} "
        f"{result['what']} one after the other, defaults): the 95th percentile is "
        f"{result['whole_ms']['p95'] / result['whole_ms']['median']:.2f} × the median. Of the median,",
        "",
        "| stage | share | × its bare kernel |",
        "|---|---|---|",
    ]
    for stage, row in stages.items():
        if stage != "whole" and row["share"] >= 0.005:
            ratio = "–" if row["ratio_to_kernel"] is None else f"{row['ratio_to_kernel']:.1f}"
            lines.append(f"| {stage} | {row['share']:.0%} | {ratio} |")
    waited = result["settle_ms"] / result["whole_ms"]["median"]
    return [
        *lines,
        "",
        f"{waited:.0%} of it is the configured wait for late images (`receive.settle_after_release_seconds`).",
    ]


def main() -> None:
    """Exchange the figures in README.md."""
    receive, turnaround = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("receive", "turnaround")
    )
    README.write_text(replaced(README.read_text(encoding="utf-8"), section(receive, turnaround)), encoding="utf-8")


if __name__ == "__main__":
    main()
