"""The templates of the pages: what each of them can say and in which form, in the language in force."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from config.language import translation
from config.language.numbers import decimal, percentage
from console import words
from tracking.engine.clock import to_datetime


@cache
def page_templates() -> Environment:
    """Return the templates, which are compiled once for all sites of a process; every value is escaped.

    In them ``_`` and its like are for literals alone, as they take a message for markup; ``translate`` is for values.
    """
    templates = Environment(
        loader=PackageLoader("console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    templates.policies["ext.i18n.trimmed"] = True
    templates.install_gettext_callables(  # type: ignore[attr-defined]
        translation.gettext, translation.ngettext, newstyle=True,
        pgettext=translation.pgettext, npgettext=translation.npgettext,
    )  # fmt: skip
    templates.globals.update(
        words=words, translate=translation.gettext, language=translation.language, languages=translation.ENDONYMS
    )
    templates.filters.update(
        moment=words.moment, line_time=lambda line: words.moment(to_datetime(line.at)), decimal=decimal,
        percentage=percentage,
    )  # fmt: skip
    return templates
