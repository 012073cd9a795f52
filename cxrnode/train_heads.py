"""``cxrnode train chest-heads``: the training room's own way, and where the package is."""

from pathlib import Path
from typing import TYPE_CHECKING

from cxrnode.command import out
from cxrnode.progress import shown_progress

if TYPE_CHECKING:
    from training.heads.heads_recipe import HeadsRecipe


def train_heads(recipe: "HeadsRecipe", data: Path, to: Path, *, work: Path | None, quick: bool, as_json: bool) -> None:
    """Fit new heads on the networks of a package and say where the package is."""
    from training.heads.produce_heads import produce
    from training.pipelines.train import CACHE

    with shown_progress() as progress:
        package = produce(recipe, data, to, work=work or CACHE, quick=quick, progress=progress)
    if as_json:
        name, version = package.manifest.name, package.manifest.version
        told = {"name": name, "version": version, "digest": package.digest, "folder": str(to)}
        out.print_json(data={"package": told, "quick": quick})
        return
    out.print(f"The package is in {to}. Research use only: its card says what it cannot do.", markup=False)
