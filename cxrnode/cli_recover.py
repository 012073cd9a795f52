"""Commands for the day on which something is lost, and before it: back up, restore, recover."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrnode.command import Context, Json, err, operator, out

if TYPE_CHECKING:
    from dicom_node.instance_store.recovery import RecoveredFile

_WORDS = {
    "recovered": "taken in: they are analysed and delivered once; what the association told of them is lost",
    "kept-aside": "kept aside: other bytes stand under their UID, `cxrnode study UID` says how to decide",
    "put-back": "put back where the database names them",
    "copy": "second copies of files that the database names, removed",
    "deleted": "of studies that were deleted, left where they are: remove them, or take them in with --deleted",
    "on-record": "recorded by a receiver meanwhile",
    "damaged": "damaged, left where they are: restore them from a backup, or have them sent again",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Administration")(backup)
    app.command(rich_help_panel="Administration")(restore)
    app.command(rich_help_panel="Administration")(recover)


def backup(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder for it: a new one, or that of an earlier backup.")],
    as_json: Json = False,
) -> None:
    """Copy the database, then images and documents, into a folder, while the services run."""
    from cxrnode import show
    from cxrnode.backup import back_up
    from tracking.engine.database import Database

    context: Context = ctx.obj
    settings = context.settings()
    database = Database.open(settings.database_url())
    manifest = back_up(settings, database, folder)
    if as_json:
        show.as_json(manifest)
        return
    out.print(f"{folder}: {manifest.dialect}, schema {manifest.schema or 'none'}, {manifest.files} files; the settings "
              "and the secrets they name are not in it", markup=False, highlight=False, soft_wrap=True)  # fmt: skip


def restore(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of `cxrnode backup`.")],
    as_json: Json = False,
) -> None:
    """Put a backup back: files that data_dir lacks, then the database, which must be empty. Stop the services first."""
    from cxrnode import show
    from cxrnode.backup import restore as put_back
    from tracking.engine import schema
    from tracking.engine.database import Database

    context: Context = ctx.obj
    settings = context.settings()
    manifest = put_back(settings, Database.open(settings.database_url()), folder)
    if as_json:
        show.as_json(manifest)
        return
    upgrade = "" if manifest.schema == schema.head() else "`cxrnode db upgrade`, then "
    answer = (
        f"the backup of {manifest.created_at} is back; next: {upgrade}`cxrnode recover`, which takes in what arrived "
        "after it, as far as the files are there"
    )
    out.print(answer, markup=False, highlight=False, soft_wrap=True)


def recover(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    deleted: Annotated[bool, typer.Option("--deleted", help="Take in files of deleted studies, too.")] = False,
    as_json: Json = False,
) -> None:
    """Take in files of the store that the database does not know, as after a restore of an older database.

    Run again, it goes on where it was ended. Exit 1 if a file is damaged.
    """
    from cxrnode import show
    from cxrnode.node_state import note_recovery
    from dicom_node.instance_store.recovery import Recovery

    context: Context = ctx.obj
    settings, database = context.settings(), context.database()
    settle = settings.receive.settle_seconds
    recovery = Recovery(settings.instance_dir, database, settle_seconds=settle, deleted=deleted)
    counts: Counter[str] = Counter()
    named: list[RecoveredFile] = []
    for file in recovery.run(dry=dry_run):
        counts[str(file.outcome)] += 1
        if as_json:
            named.append(file)
        elif file.reason is not None:
            err.print(f"{file.path}: {file.reason}", markup=False, highlight=False, soft_wrap=True)
    if not dry_run:
        note_recovery(settings, database, dict(counts), user=operator())
    if as_json:
        show.as_json({"dry_run": dry_run, "counts": dict(counts), "files": [asdict(file) for file in named]})
    else:
        _print(counts, dry_run=dry_run)
    raise typer.Exit(1 if counts["damaged"] else 0)


def _print(counts: Counter[str], *, dry_run: bool) -> None:
    if not counts:
        out.print("the database knows every file of the store", markup=False, highlight=False)
    for outcome, words in _WORDS.items():
        if counts[outcome]:
            out.print(f"{counts[outcome]} {words}", markup=False, highlight=False, soft_wrap=True)
    if dry_run:
        out.print("nothing was changed (--dry-run)", markup=False, highlight=False)
