"""``cxrnode train anatomy``: the training room's own way, and where the package is."""

from pathlib import Path
from typing import TYPE_CHECKING

from cxrnode.command import out
from cxrnode.progress import shown_progress

if TYPE_CHECKING:
    from training.anatomy.anatomy_recipe import AnatomyRecipe


def train_anatomy(recipe: "AnatomyRecipe", data: Path, to: Path, *, quick: bool, as_json: bool) -> None:
    """Train an anatomy package and say where it is."""
    from training.anatomy.produce_anatomy import produce

    with shown_progress() as progress:
        package = produce(recipe, data, to, quick=quick, progress=progress)
    if as_json:
        name, version = package.manifest.name, package.manifest.version
        told = {"name": name, "version": version, "digest": package.digest, "folder": str(to)}
        out.print_json(data={"package": told, "quick": quick})
        return
    out.print(f"The anatomy package is in {to}. Set inference.anatomy_package to use it.", markup=False)
