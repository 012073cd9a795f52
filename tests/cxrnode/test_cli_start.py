"""What the command line loads before it answers: counted in modules, as time differs from machine to machine."""

import subprocess
import sys

import pytest

LOADED = """
import sys
sys.argv = ["cxrnode", *{arguments}]
from cxrnode.cli import main
try:
    main()
except SystemExit:
    pass
print("LOADED", *sys.modules)
"""
HEAVY = (
    "alembic", "highdicom", "markdown_it", "numpy", "pydantic", "pydicom", "pygments", "pynetdicom", "rich.markdown",
    "rich.progress", "sqlalchemy", "structlog", "tensorflow", "uvicorn",
)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "most", "words"),
    [(["--version"], 270, "cxrnode 0"), (["--help"], 270, "Administration:")],
)
def test_help_and_version_load_little(arguments: list[str], most: int, words: str) -> None:
    command = [sys.executable, "-c", LOADED.format(arguments=arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    shown, _, loaded = answer.stdout.partition("LOADED ")
    assert words in shown
    modules = loaded.split()
    assert [name for name in modules if name.startswith(HEAVY)] == []
    assert len(modules) <= most
