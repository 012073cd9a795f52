"""Where settings come from when nobody names a file."""

from pathlib import Path

DEFAULT_FILE = Path("cxrnode.toml")
FILE_VARIABLE = "CXRNODE_CONFIG"
REFERENCE_FILE = Path(__file__).with_name("cxrnode.toml")
"""Every option, explained, at its default."""
