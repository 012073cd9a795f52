"""Where settings come from when nobody names a file, and who may read what this process writes."""

import os
from pathlib import Path

DEFAULT_FILE = Path("cxrnode.toml")
FILE_VARIABLE = "CXRNODE_CONFIG"
REFERENCE_FILE = Path(__file__).with_name("cxrnode.toml")
"""Every option, explained, at its default."""


def keep_private() -> None:
    """Let whatever this process makes from now on be for its owner alone, as it may hold patient data or secrets.

    What is made on purpose is made with such a mode anyway; this is for files of libraries.
    """
    os.umask(0o077)
