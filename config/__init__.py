"""What every room shares: the settings of the node, the tree of errors, and the logs."""

from config.load import load_settings
from config.settings import Settings

__all__ = ["Settings", "load_settings"]
