"""dciodvfy (dicom3tools), dsrdump and dcmpschk (DCMTK) and PixelMed's DicomSRValidator over many DICOM documents.

The programs and options are those of the tests' (``tests/peers/test_validators.py``); warnings are no errors.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

PIXELMED = Path("/usr/share/java/pixelmed.jar")
PROGRAMS = ("dciodvfy", "dsrdump", "dcmpschk", "java")
_DRIVER = Path(__file__).with_name("SrValidation.java")
_NO_LIMITS = [
    f"-Djdk.xml.{name}=0"
    for name in (
        "xpathExprOpLimit", "xpathTotalOpLimit", "xpathExprGrpLimit", "elementAttributeLimit", "entityExpansionLimit"
    )
]  # fmt: skip
_SECONDS = 3600


def missing() -> list[str]:
    """Return the names of validators that are not installed."""
    return [*(name for name in PROGRAMS if shutil.which(name) is None), *["pixelmed-apps"] * (not PIXELMED.exists())]


def dciodvfy(file: Path) -> list[str]:
    """Return the errors of any DICOM object."""
    return _errors(_output("dciodvfy", "-new", str(file)))


def dsrdump(file: Path) -> list[str]:
    """Return the errors of an SR document, a Key Object Selection among them."""
    done = subprocess.run(["dsrdump", str(file)], check=False, capture_output=True, timeout=60)
    return [] if done.returncode == 0 else [f"dsrdump ends with {done.returncode}"]


def dcmpschk(file: Path) -> list[str]:
    """Return the errors of a presentation state."""
    return [line for line in _output("dcmpschk", str(file)).splitlines() if line.upper().startswith("E:")]


def pixelmed(files: Sequence[Path], folder: Path) -> dict[Path, list[str]]:
    """Return the errors of structured reports by file, empty where there are none; ``folder`` takes the list of files.

    Raises
    ------
    RuntimeError
        PixelMed did not come to the end of a file.
    """
    names = folder / "reports.txt"
    names.write_text("".join(f"{file}\n" for file in files))
    options = [*_NO_LIMITS, "-cp", f"{PIXELMED}:/usr/share/java/*"]
    output = _output("java", *options, str(_DRIVER), str(names))
    found = {Path(name): judged for name, judged in _parts(output)}
    unfinished = [file.name for file in files if "validation complete" not in found.get(file, "")]
    if unfinished:
        msg = f"PixelMed did not validate {len(unfinished)} files, such as {unfinished[0]}: {output[-2000:]}"
        raise RuntimeError(msg)
    return {file: _errors(judged) for file, judged in found.items()}


def _parts(output: str) -> Iterator[tuple[str, str]]:
    for part in output.split("\n== ")[1:] if not output.startswith("== ") else output[3:].split("\n== "):
        name, _, judged = part.partition("\n")
        yield name, judged


def _output(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, timeout=_SECONDS)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def _errors(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("Error")]
