"""The receiver when its own disk, database or port fails it, and when it is told to stop."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from config.errors import PeerBusy, PeerUnavailable, SettingsError
from dicom_node.format.dicom_file import open_file
from dicom_node.storage_scu.association import Association
from dicom_node.storage_scu.send import echo, store
from tracking.engine.database import Database

Node = Any
MakeDataset = Callable[..., Dataset]
SaveFile = Callable[..., Path]


@pytest.mark.fault(
    "the disk is full",
    promise="senders are answered A700 (out of resources), and try again",
    area="disk",
)
def test_a_full_disk_is_answered_out_of_resources(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node(min_free_disk_bytes=1 << 62)
    path = save_file(make_dataset())
    [outcome] = store([path], node.target)
    assert outcome.status == 0xA700
    with pytest.raises(PeerBusy, match="A700"):
        outcome.raise_for_status()
    assert (node.files(), node.instances()) == ([], {})


@pytest.mark.fault(
    "the disk fails when a file is flushed",
    promise="the image is not acknowledged: A700",
    area="disk",
)
def test_a_disk_that_fails_at_fsync_is_answered_out_of_resources(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_file(make_dataset())

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        assert store([path], node.target)[0].status == 0xA700
    assert (node.files(), node.instances()) == ([], {})
    assert store([path], node.target)[0].status == 0
    assert len(node.files()) == len(node.instances()) == 1


@pytest.mark.fault(
    "the database fails between an image's file and its row",
    promise="the sender is told to try again, and its next try succeeds",
    area="database",
)
def test_a_database_failing_between_file_and_commit_is_no_success_and_a_resend_heals(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    class Flaky(Database):
        broken = False

        @contextmanager
        def hot_transaction(self) -> Iterator[Session]:
            with super().hot_transaction() as tx:
                yield tx
                if self.broken:
                    raise OperationalError("COMMIT", {}, Exception("database is locked"))

    healthy = start_node()
    database = Flaky(healthy.database.engine, "receive")
    node = start_node(folder="flaky", database=database)
    path = save_file(make_dataset())
    database.broken = True
    assert store([path], node.target)[0].status == 0xA700
    assert node.instances() == {}
    assert len(node.files()) == 1, "the orphan stays for the resend"
    database.broken = False
    assert store([path], node.target)[0].status == 0
    assert len(node.files()) == len(node.instances()) == 1


def test_a_port_in_use_is_a_settings_error(start_node: Callable[..., Node], node: Node) -> None:
    with pytest.raises(SettingsError, match=r"receive\.port"):
        start_node(folder="second", port=node.receiver.port)


@pytest.mark.fault(
    "the receiver is asked to stop while an image arrives",
    promise="the image is stored and answered, then the receiver ends",
    area="killed",
)
def test_stopping_lets_a_message_finish_and_then_ends(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node()
    file = open_file(save_file(make_dataset()))
    association = Association(node.target, [file.context])
    association.open()
    assert association.store(file).stored
    start = time.monotonic()
    node.receiver.stop(drain_seconds=10)
    assert time.monotonic() - start < 5
    with pytest.raises(PeerUnavailable):
        association.store(file)
    association.abort()
    with pytest.raises(PeerUnavailable):
        echo(node.target)
