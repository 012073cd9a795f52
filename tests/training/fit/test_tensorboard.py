"""Fits of every kind leave their losses for TensorBoard."""

from pathlib import Path

from training.fit.tensorboard import log_folder, loss_writer
from training.recipe.shipped_recipes import load_recipe


def test_losses_of_every_epoch_are_written(tmp_path: Path) -> None:
    recipe = load_recipe("chest-default")
    write = loss_writer(tmp_path, recipe)
    for epoch in (1, 2):
        write(epoch, {"reads_loss": 1.0 / epoch})
    (events,) = log_folder(tmp_path, recipe).glob("events.out.tfevents.*")
    assert events.read_bytes().count(b"epoch_reads_loss") == 2
