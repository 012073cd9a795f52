"""The help of the command line: plain text, commands by what they are about.

Typer's own frames need rich's Markdown reader and cost half of the time of ``cxrnode --help``.
"""

from collections import defaultdict
from typing import Any

from typer.core import TyperGroup

_LONGEST_HELP = 1000
"""A first sentence is never cut: it wraps."""


class CommandsByPanel(TyperGroup):
    """A group that lists its commands under the ``rich_help_panel`` of each, in the order in which they were added."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands."""
        sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                section = getattr(command, "rich_help_panel", None) or "Commands"
                sections[str(section)].append((name, command.get_short_help_str(_LONGEST_HELP)))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)
