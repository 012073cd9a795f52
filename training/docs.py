"""Write ``docs/models.md`` from the figures that the runs left in their packages.

::

    python -m training.docs docs/models.md
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inference.package import BUILT_IN, FIGURES, ModelPackage, load_network
from training.card import headline_rows, table

_HEAD = """\
# Models

Written by `python -m training.docs docs/models.md` from the `figures.json` of each package; do not edit. Everything
here is for research use: no package is a medical device.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; return the exit code."""
    parser = argparse.ArgumentParser(prog="training.docs", description="Write the page of models from their figures.")
    parser.add_argument("page", type=Path)
    parser.add_argument("packages", type=Path, nargs="*", help="package folders (default: the built-in ones)")
    options = parser.parse_args(arguments)
    options.page.write_text(page(options.packages or built_in()), encoding="utf-8")
    return 0


def built_in() -> list[Path]:
    """Return the folders of the packages that come with the program."""
    return sorted(folder for folder in BUILT_IN.glob("*") if (folder / FIGURES).is_file())


def page(folders: Sequence[Path]) -> str:
    """Return the page for these packages."""
    return _HEAD + "\n".join(_section(load_network(folder)) for folder in folders)


def _section(package: ModelPackage) -> str:
    figures: dict[str, Any] = json.loads(package.path(FIGURES).read_text(encoding="utf-8"))
    parts = figures["protocol"]["parts"]
    test = parts["test"]
    megabytes = sum(package.path(name).stat().st_size for name in package.manifest.files) / 1e6
    mined = parts["training_mined_labels"]["pictures"]
    others = f", {mined} with mined labels only" if mined else ""
    folds = ", ".join(str(fold) for fold in parts["training"]["folds"])
    return f"""\
## {package.manifest.name} {package.manifest.version}

{package.manifest.title}. Input {package.manifest.input.rows} × {package.manifest.input.columns}, {megabytes:.0f} MB.

Protocol: split {figures["protocol"]["split"]}; fitted on folds {folds} ({parts["training"]["pictures"]} pictures that
radiologists read{others}), calibrated on fold
{parts["validation"]["folds"][0]} ({parts["validation"]["pictures"]} pictures), measured on fold {test["folds"][0]}:
{test["patients"]} patients, {test["pictures"]} pictures, seed {figures["protocol"]["seed"]}.
Intervals: {figures["protocol"]["intervals"]}.

{table(("figure, test fold", "measured here"), headline_rows(figures))}
"""


if __name__ == "__main__":
    sys.exit(main())
