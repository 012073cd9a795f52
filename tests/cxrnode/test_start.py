"""What starting the command line costs: no library that only some commands need."""

import subprocess
import sys

CODE = """
import sys
from cxrnode.cli import _assemble
_assemble()
heavy = {"PIL", "fastapi", "highdicom", "imagecodecs", "numpy", "pydantic", "pydicom", "sqlalchemy", "tensorflow"}
print(sorted(heavy & sys.modules.keys()))
"""


def test_no_command_waits_for_libraries_that_it_does_not_need() -> None:
    answer = subprocess.run([sys.executable, "-P", "-c", CODE], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
