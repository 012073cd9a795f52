"""The model card, written from a package's figures and manifest: no number in it is typed by hand."""

import json
from collections.abc import Sequence

from inference.manifest import AnyManifest, Manifest
from inference.package import CARD, FIGURES
from training.evaluation.markdown import Figures
from training.packaging.cards.data_sections import data_section, protocol_section
from training.packaging.cards.figure_sections import figures_section, subgroups_section
from training.packaging.cards.finding_sections import findings_section, stated_section
from training.packaging.cards.known_limits import limits_section


def described(manifest: AnyManifest, figures: Figures, members: Sequence[Manifest] = ()) -> dict[str, bytes]:
    """Return the two files of a package that people and ``evaluate`` read: its figures, and :func:`card` from them."""
    text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return {FIGURES: text.encode(), CARD: card(manifest, figures, members).encode()}


def card(manifest: AnyManifest, figures: Figures, members: Sequence[Manifest] = ()) -> str:
    """Return ``card.md`` for a package.

    Parameters
    ----------
    manifest
        What the package says of itself.
    figures
        Its ``figures.json``, format 2: ``protocol``, ``recipe``, ``test`` (what
        :func:`training.evaluation.figures.figures` returned), and if there is one ``dicom_check``.
    members
        What an ensemble's networks say of themselves.
    """
    quick = "\n> **A quick run, to see that everything works. Not a model to use.**\n" if _is_quick(figures) else ""
    networks = members or ((manifest,) if isinstance(manifest, Manifest) else ())
    parts = [
        f"# {manifest.name} {manifest.version}\n\n{manifest.title}.\n{quick}\n{manifest.summary.strip()}",
        f"**Intended use.** {manifest.intended_use}",
        "## Findings\n\n" + findings_section(manifest, networks),
        "## What may be stated\n\n" + stated_section(manifest),
        "## Figures\n\n" + figures_section(figures),
        "## Subgroups\n\n" + subgroups_section(figures),
        "## Protocol\n\n" + protocol_section(figures),
        "## Data and licences\n\n" + data_section(manifest, figures),
        "## Known failures and limits\n\n" + limits_section(manifest, figures),
    ]
    return "\n\n".join(parts) + "\n"


def _is_quick(figures: Figures) -> bool:
    return bool(figures["protocol"]["quick"])
