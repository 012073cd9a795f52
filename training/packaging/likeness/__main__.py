"""Give a package its measure of how far an image lies from what it learnt, or make it anew.

::

    python -m training.packaging.likeness inference/packages/chest-default --data DATA --outside DATA/more

Nothing else of the package changes. It takes minutes; the same films give the same measure.
"""

import argparse
import sys
from pathlib import Path

from config.errors import CxrnodeError
from inference.package import load_package
from training.packaging.likeness.film_choice import choose
from training.packaging.likeness.measure_package import measure_package, summary

LEARNT, HELD_OUT = 1200, 200


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="training.packaging.likeness", description="Measure what a package has learnt."
    )
    parser.add_argument("package", type=Path, help="the package's folder; it is replaced")
    parser.add_argument("--data", type=Path, required=True, help="the data folder that it learnt from")
    parser.add_argument("--outside", type=Path, action="append", default=[], help="a data folder of other sources")
    parser.add_argument("--learnt", type=int, default=LEARNT, help="at most so many films that were learnt from")
    parser.add_argument("--held-out", type=int, default=HELD_OUT, help="at most so many films of each other source")
    parser.add_argument("--keep", type=Path, help="a file to keep features in and to take them from")
    options = parser.parse_args(arguments)
    try:
        parts = choose(
            load_package(options.package),
            options.data,
            options.outside,
            learnt=options.learnt,
            held_out=options.held_out,
        )
        package = measure_package(options.package, parts, keep=options.keep, progress=_progress)
    except CxrnodeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{summary(package)}\n")
    return 0


def _progress(done: int, of: int) -> None:
    if done % 100 == 0 or done == of:
        sys.stderr.write(f"{done} of {of} films\n")


if __name__ == "__main__":
    sys.exit(main())
