"""The card of a model package as part of a page."""

from markdown_it import MarkdownIt
from markdown_it.token import Token

_LOWER = 2
"""The page has a heading of its own, and so has each package."""


def card_html(card: str) -> str:
    """Return a card, Markdown, as HTML. HTML within it is shown as text, and so is a link that is none."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = markdown.parse(card)
    _adapt(tokens)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _adapt(tokens: list[Token]) -> None:
    """Lower the headings, and let a header cell without words be a plain one."""
    for number, token in enumerate(tokens):
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + _LOWER, 6)}"
        if token.type == "th_open" and not tokens[number + 1].content.strip():
            token.tag = tokens[number + 2].tag = "td"
