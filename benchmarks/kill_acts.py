"""What goes on while services are killed: a modality sends, and a person acts on what was said."""

import copy
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.kill_judge import Expected
from benchmarks.turnaround import target
from config.errors import ActionRefused, CxrnodeError
from config.settings import Settings
from cxrnode.phantom import phantom_dataset
from dicom_node.storage_scu import send
from tracking.engine.database import Database
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import told_by
from tracking.outbox.resending import resend_study
from tracking.outbox.withdrawal import withdraw_study
from tracking.results.reanalysis import reanalyse_study

SIDE = 512
PHANTOMS = 12
"""As many are drawn; studies take turns with them."""
MOST_IMAGES = 3
"""Of one study."""
PATIENCE_SECONDS = 600
USER = "operator"


class _Busy(threading.Thread):
    """A thread that does the same thing again and again, with a pause of random length between."""

    def __init__(self, chance: random.Random, pause: float) -> None:
        super().__init__(daemon=True)
        self._chance, self._pause, self._ending = chance, pause, threading.Event()

    def run(self) -> None:
        """Go on until told to stop."""
        while not self._ending.wait(self._chance.uniform(0, 2 * self._pause)):
            self.step()

    def step(self) -> None:
        """Do it once."""
        raise NotImplementedError

    def stop(self) -> None:
        """Finish what is begun, and begin nothing more."""
        self._ending.set()
        if self.ident is not None:
            self.join(PATIENCE_SECONDS)


class Sender(_Busy):
    """Sends images of new studies, each until it is acknowledged; ``expected`` holds the acknowledged ones by study."""

    def __init__(self, folder: Path, settings: Settings, chance: random.Random, *, pause: float, most: int) -> None:
        super().__init__(chance, pause)
        self._most = most
        self.expected: dict[str, Expected] = {}
        self._folder, self._settings = folder, settings
        self._phantoms = [phantom_dataset(seed, size=SIDE, opacity=seed % 2 == 1) for seed in range(1, PHANTOMS + 1)]
        self._numbers: dict[str, int] = {}

    def step(self) -> None:
        """Send the first image of a new study, up to ``most`` studies: then acts meet results, not work that waits."""
        if len(self._numbers) == self._most:
            return
        number = len(self._numbers) + 1
        study = _uid("study", number)
        self._numbers[study] = number
        self.send(study)

    def send(self, study: str) -> bool:
        """Send the next image of a study, and say whether it was acknowledged: a late one makes a withdrawal past."""
        had = self.expected.get(study, Expected(frozenset()))
        image = self._image(study, len(had.images) + 1)
        path = self._folder / f"next-{study}.dcm"
        image.save_as(path, enforce_file_format=True)
        acknowledged = _sent(path, self._settings)
        path.unlink()
        if acknowledged:
            self.expected[study] = Expected(had.images | {str(image.SOPInstanceUID)})
        return acknowledged

    def _image(self, study: str, instance: int) -> Dataset:
        number = self._numbers[study]
        image = copy.deepcopy(self._phantoms[number % PHANTOMS])
        image.StudyInstanceUID, image.SeriesInstanceUID = study, _uid("series", number)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = _uid("image", number, instance)
        image.PatientID, image.StudyID, image.AccessionNumber = f"KILLS-{number}", str(number), f"KILLS{number}"
        image.InstanceNumber = instance
        return image


class Operator(_Busy):
    """Acts on studies at random, by the functions that command line and console share; ``acts`` counts what was done.

    An act whose transaction failed is given again, as a person does.
    """

    def __init__(self, sender: Sender, settings: Settings, chance: random.Random, *, pause: float) -> None:
        super().__init__(chance, pause)
        self.acts: Counter[str] = Counter()
        self._sender, self._settings = sender, settings

    def step(self) -> None:
        """Do one of the acts to one of the studies."""
        studies = sorted(self._sender.expected)
        if not studies:
            return
        study = self._chance.choice(studies)
        act = self._chance.choice((self._late_image, self._reanalyse, self._withdraw, self._resend))
        name = act.__name__.strip("_").replace("_", " ")
        done = act(study)
        self.acts[name if done else f"{name}, refused"] += 1

    def _late_image(self, study: str) -> bool:
        return len(self._sender.expected[study].images) < MOST_IMAGES and self._sender.send(study)

    def _reanalyse(self, study: str) -> bool:
        if self._act(partial(reanalyse_study, study_uid=study, user=USER)) is None:
            return False
        self._expect(study, withdrawn=False)
        return True

    def _withdraw(self, study: str) -> bool:
        told = told_by(self._settings)
        withdraw = partial(withdraw_study, study_uid=study, reason=Reason.QUALITY, why="a test", told=told, user=USER)
        if self._act(withdraw) is None:
            return False
        self._expect(study, withdrawn=True)
        return True

    def _resend(self, study: str) -> bool:
        return self._act(partial(resend_study, study_uid=study, user=USER)) is not None

    def _expect(self, study: str, *, withdrawn: bool) -> None:
        expected = self._sender.expected
        expected[study] = replace(expected[study], withdrawn=withdrawn)

    def _act(self, act: Callable[..., Any]) -> Any:
        """Return what an act came to, None where it was refused."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                database = Database.open(self._settings.database_url())
                try:
                    with database.transaction() as tx:
                        return act(tx)
                finally:
                    database.close()
            except ActionRefused:
                return None
            except (CxrnodeError, SQLAlchemyError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def _sent(path: Path, settings: Settings) -> bool:
    """Send a file until it is acknowledged; say whether it was."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            (outcome,) = send.store([path], target(settings))
        except CxrnodeError:
            time.sleep(0.2)
            continue
        if outcome.stored:
            return True
        time.sleep(0.2)
    return False


def _uid(*parts: object) -> UID:
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, ('cxrnode kills', *parts)))).int}")
