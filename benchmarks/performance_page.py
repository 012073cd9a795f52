"""Write the figures of the last full benchmark runs into docs/performance.md, between its markers; none is typed.

.venv/bin/python -m benchmarks.performance_page
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = Path(__file__).parent / "results"
RUNS = ("receive", "turnaround", "documents", "console")
"""Names of the results that the page quotes."""
GOAL = {"DCMTK storescp": 2.0, "Orthanc": 3.0}
VERDICTS = {"met": "met", "missed": "**missed**", "out of reach": "out of reach"}
SENDERS = {"storescu": "DCMTK's sender", "lean": "bare sender"}
BEGIN, END = "<!-- figures: python -m benchmarks.performance_page -->", "<!-- /figures -->"

_FLOORS_IN_WORDS = (
    ", and in brackets how many times faster it could be at most: the slowest of three floors measured in the same "
    "rounds (the sender alone, answered at once by a receiver that throws everything away; the durable write alone; "
    "both at once)"
)


def section(
    receive: dict[str, Any], turnaround: dict[str, Any], documents: dict[str, Any], console: dict[str, Any]
) -> str:
    """Return the text between the markers."""
    parts = [_receive(receive), _turnaround(turnaround), _documents(documents), *map(_console, console.values())]
    figures = "\n\n".join("\n".join(part) for part in parts)
    return f"{BEGIN}\n{figures}\n{END}"


def replaced(page: str, figures: str) -> str:
    """Return the page with its figures exchanged."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + figures + after


def _receive(result: dict[str, Any]) -> list[str]:
    machine = result["machine"]
    has_floors = all("floor_times_faster" in row for row in result["loads"])
    lines = [
        f"Receiving, against DCMTK's `storescp +B` and Orthanc in one run ({machine['processors']} processors, "
        f"{result['rounds']} rounds in which all take turns, all on one machine). cxrnode answers when file, folder "
        "and database are flushed to disk; Orthanc flushes the file only, `storescp` nothing. How many times faster "
        f"cxrnode is{_FLOORS_IN_WORDS if has_floors else ''}.{_circumstances(machine)}",
        "",
    ]
    for sender, name in SENDERS.items():
        rows = [row for row in result["loads"] if row["sender"] == sender]
        peers = " | ".join(f"× {peer.split()[0]}, goal {least:g}" for peer, least in GOAL.items())
        lines += [f"| {name}: load | {peers} | goal |", "|---|---|---|---|"]
        lines += [f"| {row['load']} | {' | '.join(_ratios(row))} | {VERDICTS[_verdict(row)]} |" for row in rows]
        lines += ["", _tally(rows, has_floors=has_floors), ""]
    first, last = result["memory"][0], result["memory"][-1]
    growth = last["rss_mib"] / first["rss_mib"] - 1
    lean = [row for row in result["loads"] if row["sender"] == "lean"]
    faster = sum(row["cxrnode_times_faster"]["DCMTK storescp"] >= 1 for row in lean)
    return [
        *lines,
        "DCMTK's sender is what hospitals' toolkits are built on; it waits for a delayed acknowledgement with every "
        "small image, unless the receiver sends it at once, which cxrnode does, and much of the lead is that. With one "
        "association an image it starts a process for each, which is most of the time. The bare sender never waits: "
        f"with it cxrnode, which flushes and commits, is faster than `storescp`, which does not, on {faster} of "
        f"{len(lean)} loads. Memory after {last['images']:,} images: {growth:+.0%} ({receive_note(result)}).",
    ]


def _ratios(row: dict[str, Any]) -> list[str]:
    """Return how many times faster cxrnode is than each peer, and in brackets how many times at most."""
    at_most = {peer: f" ({ratio:.1f})" for peer, ratio in row.get("floor_times_faster", {}).items()}
    return [f"{row['cxrnode_times_faster'][peer]:.1f}{at_most.get(peer, '')}" for peer in GOAL]


def _verdict(row: dict[str, Any]) -> str:
    """Return the run's verdict; of a run without floors only whether the goal is met is known."""
    met = all(row["cxrnode_times_faster"][peer] >= least for peer, least in GOAL.items())
    return str(row.get("goal", "met" if met else "missed"))


def _circumstances(machine: dict[str, Any]) -> str:
    """Say so when the machine had other work, which hits all alike but not with the same weight."""
    if machine["busy_at_start"] <= 1:
        return ""
    priority = ", which had to yield to the benchmark" if machine["niceness"] < 0 else ""
    return f" The machine had other work (load average {machine['busy_at_start']} at the start{priority})."


def _tally(rows: Sequence[dict[str, Any]], *, has_floors: bool) -> str:
    """Say in one sentence on how many loads the goal is met, beyond the floor, or neither, and name the last."""
    loads = {verdict: [row["load"] for row in rows if _verdict(row) == verdict] for verdict in VERDICTS}
    met = f"Met on {len(loads['met'])} of {len(rows)}"
    if not has_floors:
        return f"{met}."
    names = f": {'; '.join(loads['missed'])}" if loads["missed"] else ""
    return (
        f"{met}; on {len(loads['out of reach'])} the floor alone is beyond the goal for at least one of the two; "
        f"on {len(loads['missed'])} it is missed though the floors leave room{names}."
    )


def receive_note(result: dict[str, Any]) -> str:
    """Return the memory series in one line."""
    return ", ".join(f"{point['images']}: {point['rss_mib']:.0f} MiB" for point in result["memory"])


def _turnaround(result: dict[str, Any]) -> list[str]:
    beyond, goal, met = (result[name] for name in ("beyond_settle_ms", "goal_beyond_settle_ms", "goals_met"))
    lines = [
        f"From the last C-STORE response to report and capture stored and HL7 acknowledged ({result['studies']} "
        f"{result['what']} one after the other, defaults): the settle time (`receive.settle_after_release_seconds`, "
        f"{result['settle_ms'] / 1000:g} s) and {_seconds(beyond['median'])} at the median (goal "
        f"{_seconds(goal['median'])}: {_met(met['median'])}), {_seconds(beyond['p95'])} at the 95th percentile (goal "
        f"{_seconds(goal['p95'])}: {_met(met['p95'])}). Of the median,",
        "",
        "| stage | share | × its bare kernel |",
        "|---|---|---|",
    ]
    for stage, row in result["way"].items():
        if stage != "whole" and row["share"] >= 0.005:
            ratio = "–" if row["ratio_to_kernel"] is None else f"{row['ratio_to_kernel']:.1f}"
            lines.append(f"| {stage} | {row['share']:.0%} | {ratio} |")
    kernels = [
        f"{stage} {row['ratio_to_kernel']:.1f} × its kernel"
        for stage, row in result["meanwhile"].items()
        if row["ratio_to_kernel"] is not None
    ]
    busy = result["machine"]["busy_at_end"]
    load = f" The machine had other work (load average {busy}); all times are longer for it." if busy > 1 else ""
    return [*lines, "", f"Each image is examined while its study settles ({', '.join(kernels)}).{load}"]


def _documents(result: dict[str, Any]) -> list[str]:
    stage, goal = result["stage_ms"], result["goal_ms"]
    busy = result["machine"]["busy_at_start"]
    load = f" The machine had other work (load average {busy}), which makes processor time longer." if busy > 1 else ""
    rows = [
        f"| {row['document']} | {row['build_ms']:.0f} ms | {row['check_ms']:.0f} ms | {row['bytes'] / 1000:,.0f} kB |"
        for row in result["documents"]
    ]
    return [
        f"What the documents of one image of {result['size']} pixels with eleven findings, of which the package "
        f"may state {len(result['stated'])}, cost in processor time, the "
        f"least of {result['rounds']} rounds. The whole report stage, report, capture and message with database and "
        f"disk, takes {_seconds(stage)} (goal {_seconds(goal)}: {_met(stage <= goal)}) with the radiograph at hand, "
        f"{_seconds(result['stage_drawn_ms'])} where it has to be drawn, {_seconds(result['stage_all_stated_ms'])} "
        f"with all eleven stated.{load}",
        "",
        "| document | build | check | size |",
        "|---|---|---|---|",
        *rows,
    ]


def _console(result: dict[str, Any]) -> list[str]:
    pages, goal = result["pages"], result["goal_ms"]
    missed = [page for page in pages if page["page"] in result["missed"]]
    slowest = max(page["p95"] for page in pages if page not in missed)
    lines = [
        f"First bytes of the console's pages with {result['studies']:,} studies and {result['lines']:,} audit lines, "
        f"{pages[0]['requests']} requests of each kind: at most {slowest:.0f} ms at the 95th percentile for "
        f"{len(pages) - len(missed)} of {len(pages)} kinds of page, filter and search (goal {goal:.0f} ms: "
        f"{_met(not missed)})."
    ]
    if missed:
        rows = [f"| {page['page']} | {page['p50']:.0f} ms | {page['p95']:.0f} ms |" for page in missed]
        lines += ["", "| beyond the goal | median | 95th percentile |", "|---|---|---|", *rows]
    return lines


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f} s"


def _met(met: bool) -> str:
    return VERDICTS["met" if met else "missed"]


def main() -> None:
    """Exchange the figures in docs/performance.md."""
    results = [json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in RUNS]
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), section(*results)), encoding="utf-8")


if __name__ == "__main__":
    main()
