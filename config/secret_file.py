"""Files that hold one secret."""

from pathlib import Path

from config.errors import SettingsError


def read_secret(key: str, file: Path) -> str:
    """Return what a file of one secret holds; raises SettingsError where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        msg = f"{key}: {file} cannot be read: {reason}; give it to the user the node runs as"
        raise SettingsError(msg) from None
