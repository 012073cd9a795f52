"""TFRecord files in the layout of TensorFlow's object-detection tools, with their ``label_map.pbtxt``.

Their keys (``image/encoded``, ``image/object/bbox/xmin`` ...) hold what those tools read; keys of our own
(``cxrnode/patient`` ...) hold the rest, so that a data set comes back as it was.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from config.errors import DataError
from training.data.csv_rows import checked_box, choice, number, refuse_duplicates
from training.data.examples import Example, TruthBox, View
from training.data.label_map import FILE, read_label_map, write_label_map
from training.data.patients import owner_of, warn_of_unknown
from training.data.portable import portable, portable_name
from training.data.terms import term
from training.data.voc import with_labels
from training.data.whole_folder import whole_folder

PICTURES_A_SHARD = 500
_STEM = "pictures.tfrecord"
_PATTERNS = ("*.tfrecord*", "*.record*")
_ENDINGS = {"jpeg": ".jpg", "jpg": ".jpg", "png": ".png"}
_SOURCE = "cxrnode/object/source"
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def write(
    examples: Iterable[Example],
    out: Path,
    labels: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _count: None,
) -> tuple[str, ...]:
    """Write shards and a ``label_map.pbtxt`` into a new folder, as a whole or not at all; see :func:`voc.write`.

    Needs TensorFlow. Class numbers begin at 1, in the order of ``labels``.
    """
    import tensorflow as tf

    examples, labels = with_labels(examples, labels)
    shards = max(1, -(-len(examples) // PICTURES_A_SHARD))
    names: set[str] = set()
    with whole_folder(out) as folder:
        write_label_map(folder / FILE, labels)
        for shard in range(shards):
            path = folder / f"{_STEM}-{shard:05d}-of-{shards:05d}"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for count in range(shard, len(examples), shards):
                    features = _features(examples[count], labels)
                    name = features["image/filename"][0].decode()
                    if name in names:
                        raise DataError(f"two pictures would both be {name}: rename one of them")
                    names.add(name)
                    writer.write(_serialized(features))
                    progress(len(names))
    return labels


def read(root: Path) -> tuple[Example, ...]:
    """Read all shards in ``root``; their pictures are unpacked once, into a hidden folder beside them.

    Shards that another tool wrote have boxes and file names only: of each picture a label of the map is then true
    where a box of it is drawn, and all boxes count as drawn.

    Raises
    ------
    DataError
        When there are no shards, one is broken, a picture is neither JPEG nor PNG, a class number is not in the label
        map, or a box is outside its picture; names shard and record.
    """
    shards = sorted({path for pattern in _PATTERNS for path in root.glob(pattern) if path.is_file()})
    if not shards:
        raise DataError(f"{root} holds no TFRecord files: give the folder with *.tfrecord* or *.record*")
    labels = read_label_map(root / FILE)
    unpacked = root / f".unpacked-{_key(shards)}"
    if not unpacked.is_dir():
        _unpack(shards, unpacked)
    examples, owners = [], []
    for record in _records(shards):
        if _text(record, "cxrnode/patient") == "":
            owners.append(owner_of(PurePosixPath(record.name).stem))
        examples.append(_example(record, labels, unpacked / record.name))
    refuse_duplicates(examples, str(root))
    warn_of_unknown(owners, "tfrecord")
    return tuple(examples)


# --- one record --------------------------------------------------------------------------------------------------

_Features = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class _Record:
    place: str
    name: str
    features: _Features


def _features(example: Example, labels: Sequence[str]) -> _Features:
    """Return an example as lists of bytes, floats or whole numbers by key."""
    picture = portable(example.path)
    boxes = example.boxes
    shown = [label for label in labels if example.truths.get(label)]
    name = portable_name(example.file, picture.ending).encode()
    own = {
        "file": example.file, "patient": example.patient, "source": example.source, "view": example.view.value,
        "sex": example.sex, "licence": example.licence, "truths": json.dumps(dict(example.truths)),
        "read": " ".join(sorted(example.read)), "boxed": " ".join(sorted(example.boxed)),
        "fold": "" if example.fold is None else str(example.fold),
        "age": "" if example.age is None else repr(example.age),
    }  # fmt: skip
    return {
        "image/height": [picture.rows],
        "image/width": [picture.columns],
        "image/filename": [name],
        "image/source_id": [name],
        "image/key/sha256": [hashlib.sha256(picture.encoded).hexdigest().encode()],
        "image/encoded": [picture.encoded],
        "image/format": [b"jpeg" if picture.ending == ".jpg" else b"png"],
        "image/class/text": [label.encode() for label in shown],
        "image/class/label": [labels.index(label) + 1 for label in shown],
        "image/object/bbox/xmin": [float(box.x) for box in boxes],
        "image/object/bbox/xmax": [float(box.x + box.w) for box in boxes],
        "image/object/bbox/ymin": [float(box.y) for box in boxes],
        "image/object/bbox/ymax": [float(box.y + box.h) for box in boxes],
        "image/object/class/text": [box.label.encode() for box in boxes],
        "image/object/class/label": [labels.index(box.label) + 1 for box in boxes],
        "image/object/difficult": [0] * len(boxes),
        "image/object/truncated": [0] * len(boxes),
        _SOURCE: [box.source.encode() for box in boxes],
        **{f"cxrnode/{key}": [text.encode()] for key, text in own.items()},
    }


def _serialized(features: _Features) -> bytes:
    from tensorflow.train import BytesList, Example, Feature, Features, FloatList, Int64List

    def feature(values: Sequence[Any]) -> Any:
        if values and isinstance(values[0], bytes):
            return Feature(bytes_list=BytesList(value=values))
        if values and isinstance(values[0], float):
            return Feature(float_list=FloatList(value=values))
        return Feature(int64_list=Int64List(value=values))

    # An empty list has no kind of its own; readers take a key that is not there for an empty list.
    present = {key: feature(values) for key, values in features.items() if values}
    encoded: bytes = Example(features=Features(feature=present)).SerializeToString()
    return encoded


def _records(shards: Sequence[Path]) -> Iterator[_Record]:
    """Yield every record with what makes it a picture checked."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    for shard in shards:
        place, count = shard.name, 0
        try:
            for count, raw in enumerate(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator(), 1):
                place = f"{shard.name} record {count}"
                parsed = tf.train.Example.FromString(raw)
                features = {key: _values(feature) for key, feature in parsed.features.feature.items()}
                yield _Record(place, _name(place, features), features)
        except tf.errors.OpError as error:
            raise DataError(
                f"{shard.name} is broken after record {count} ({type(error).__name__}): write or fetch it again"
            ) from None
        except DecodeError as error:
            raise DataError(f"{place} is no example ({type(error).__name__}): write or fetch the file again") from None


def _values(feature: Any) -> Sequence[Any]:
    kind = feature.WhichOneof("kind")
    return [] if kind is None else list(getattr(feature, kind).value)


def _name(place: str, features: _Features) -> str:
    """Return the name that a record's picture gets."""
    if not isinstance((features.get("image/encoded") or [None])[0], bytes):
        raise DataError(f"{place} holds no picture (image/encoded): write the files again")
    ending = _ENDINGS.get(_first(place, features, "image/format", b"jpeg").lower())
    if ending is None:
        raise DataError(f"{place}: the picture is neither JPEG nor PNG: encode it as one of them")
    given = _first(place, features, "image/filename") or _first(place, features, "image/source_id")
    name = given or f"{place.replace(' ', '-')}{ending}"
    return portable_name(name, ending)


def _text(record: _Record, key: str) -> str:
    return _first(record.place, record.features, key)


def _first(place: str, features: _Features, key: str, otherwise: bytes = b"") -> str:
    """Return the first text of a key."""
    values = features.get(key) or [otherwise]
    return _decoded(place, key, values[0])


def _decoded(place: str, key: str, value: object) -> str:
    try:
        if isinstance(value, bytes):
            return value.decode()
    except UnicodeDecodeError:
        pass
    raise DataError(f"{place}: {key} is no text in UTF-8: write the files again")


def _example(record: _Record, labels: Mapping[int, str], path: Path) -> Example:
    boxes = _boxes(record, labels)
    own = {
        key: _text(record, f"cxrnode/{key}")
        for key in ("file", "patient", "source", "view", "sex", "licence", "truths", "read", "boxed", "fold", "age")
    }
    ours = bool(own["patient"])
    owner = owner_of(PurePosixPath(record.name).stem)
    names = [term(label) for label in labels.values()]
    shown = {box.label for box in boxes}
    try:
        truths = {str(label): bool(true) for label, true in json.loads(own["truths"] or "{}").items()}
    except (ValueError, AttributeError):
        raise DataError(f"{record.place}: cxrnode/truths is no JSON object: write the files again") from None
    return Example(
        file=own["file"] or record.name,
        path=path,
        patient=own["patient"] or (owner.patient if owner.known else record.name),
        source=own["source"],
        fold=number(record.place, "cxrnode/fold", own["fold"], int) if own["fold"] else None,
        view=choice(record.place, "cxrnode/view", own["view"] or View.UNKNOWN, View),
        age=number(record.place, "cxrnode/age", own["age"], float) if own["age"] else None,
        sex=own["sex"],
        licence=own["licence"],
        truths=truths if ours else {name: name in shown for name in names},
        read=frozenset(own["read"].split()),
        boxes=boxes,
        boxed=frozenset(own["boxed"].split() if ours else names),
    )


def _boxes(record: _Record, labels: Mapping[int, str]) -> tuple[TruthBox, ...]:
    numbers = record.features.get("image/object/class/label", [])
    sides = [record.features.get(f"image/object/bbox/{side}", []) for side in _SIDES]
    sources = record.features.get(_SOURCE, []) or [b""] * len(numbers)
    if {len(side) for side in (*sides, sources)} != {len(numbers)}:
        raise DataError(f"{record.place}: not as many box sides as class numbers: write the files again")
    boxes = []
    for one, x0, y0, x1, y1, source in zip(numbers, *sides, sources, strict=True):
        if one not in labels:
            raise DataError(f"{record.place}: class {one} is not in {FILE}: add its item")
        box = TruthBox(term(labels[one]), x0, y0, x1 - x0, y1 - y0, _decoded(record.place, _SOURCE, source))
        boxes.append(checked_box(record.place, box))
    return tuple(boxes)


def _unpack(shards: Sequence[Path], to: Path) -> None:
    """Write every record's picture; another process that was quicker is as good."""
    try:
        with whole_folder(to) as folder:
            for record in _records(shards):
                path = folder / record.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(record.features["image/encoded"][0])
    except DataError:
        if not to.is_dir():
            raise


def _key(shards: Sequence[Path]) -> str:
    """Return a short name for these very files: pictures unpacked from others must not be taken for theirs."""
    state = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in shards]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:12]
