"""Published lists of pictures: only these, and these labels, exclusive of one another."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from config.errors import DataError
from config.logs import get_logger
from training.data.csv_rows import rows
from training.data.examples import Example

_COLUMNS = ("file", "label")
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,39}")
_log = get_logger(__name__)


def restrict(examples: Iterable[Example], path: Path) -> tuple[Example, ...]:
    """Keep the examples that a CSV file (columns ``file`` and ``label``) names, in their order.

    Each one's truths become the list's: its own label yes, every other label of the list no. A row with an empty
    ``file`` is a picture that the list's authors had and this data set has not: logged, and left out.

    Raises
    ------
    DataError
        Naming the line: a missing column, a picture that is not among the examples or stands there twice, a label
        that is no term, or fewer than two labels.
    """
    known = {example.file: example for example in examples}
    labels: dict[str, str] = {}
    missing = 0
    for place, row in rows(path, _COLUMNS, "give a CSV file with the columns file and label"):
        file, label = row["file"], row["label"]
        if not _LABEL.fullmatch(label):
            raise DataError(f'{place}: the label "{label}" is no term: write it in snake case, such as no_finding')
        if not file:
            missing += 1
        elif file not in known:
            raise DataError(f"{place}: the data set has no picture {file}: add it, or leave the file column empty")
        elif file in labels:
            raise DataError(f"{place}: {file} is listed a second time: remove one of the two rows")
        else:
            labels[file] = label
    classes = sorted(set(labels.values()))
    if len(classes) < 2:
        raise DataError(f"{path.name} has fewer than two labels with pictures: list pictures of two classes or more")
    if missing:
        _log.warning("listed pictures are missing", count=missing, path=path.name)
    return tuple(
        replace(example, truths={name: name == labels[file] for name in classes}, read=frozenset())
        for file, example in known.items()
        if file in labels
    )
