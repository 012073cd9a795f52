"""Images are examined as they arrive, once each; an analysis needs none of it and says the same."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from config.settings import Settings
from inference import model, worker
from inference.analyse import Analyser
from inference.package import ModelPackage
from inference.worker import AnalyseHandler, ExamineHandler, Examiner
from tests.inference.test_analyse import STUDY, SteadyEngine, receive
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Lane, WorkLoop
from tracking.people.users import Actor
from tracking.results import site_points
from tracking.results.analyses import StoredAnalysis, load_analysis
from tracking.tables.models import Analysis, ImageResult, Instance, Job


@pytest.fixture
def node(settings: Settings, hollow_package: ModelPackage, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a node whose model is the steady engine."""
    monkeypatch.setattr(model, "open_engine", lambda package, _settings: SteadyEngine())
    settings.instance_dir.mkdir(parents=True)
    # These files hold ramps, which no verdict takes for a chest: 0 takes every image.
    changes = {"package": str(hollow_package.folder), "verdict_threshold": 0.0}
    chosen = settings.inference.model_copy(update=changes)
    return settings.model_copy(update={"inference": chosen})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that the model was asked about."""
    files: list[str] = []
    analyse_file = Analyser.analyse_file

    def noted(analyser: Analyser, path: Path, *arguments: Any, **options: Any) -> Any:
        files.append(path.name)
        return analyse_file(analyser, path, *arguments, **options)

    monkeypatch.setattr(Analyser, "analyse_file", noted)
    return files


@pytest.fixture
def loop(node: Settings, database: Database) -> Callable[..., WorkLoop]:
    """Return a function that makes a loop over some of the worker's queues."""

    def make(*queues: str, settings: Settings = node) -> WorkLoop:
        examiner = Examiner(settings)
        handlers = {"examine": ExamineHandler(examiner, database), "analyse": AnalyseHandler(examiner, database)}
        return WorkLoop(database, handlers, [Lane((name,)) for name in queues], node.work, node.delivery)

    return make


def analyses(database: Database) -> list[StoredAnalysis]:
    with database.reading() as read:
        return [load_analysis(read, number) for number in read.scalars(select(Analysis.id).order_by(Analysis.id))]


def jobs(database: Database) -> dict[str, str]:
    with database.reading() as read:
        found = read.execute(select(Job.key, Job.state).where(Job.queue.in_(("examine", "analyse"))))
        return {row[0]: row[1] for row in found}


def other(radiograph: Any) -> Any:
    return radiograph(np.flip(np.arange(40000, dtype=np.uint16).reshape(200, 200)))


def test_an_image_is_examined_before_its_study_is_due_and_not_again_then(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop]
) -> None:
    receive(node, database, radiograph(), 1)
    loop("examine").run_until_idle()
    assert (asked, analyses(database)) == (["1.dcm"], [])
    loop("analyse").run_until_idle()
    (analysis,) = analyses(database)
    assert asked == ["1.dcm"]
    assert len(analysis.outcomes[0].findings) == 2
    assert 0 < sum(analysis.timings.values()) <= analysis.seconds


def test_an_analysis_that_gathers_says_the_same_as_one_that_asks(
    node: Settings, database: Database, radiograph: Any, loop: Callable[..., WorkLoop]
) -> None:
    for number, content in enumerate([radiograph(), radiograph(Modality="CT"), b"no DICOM" * 9], 1):
        receive(node, database, content, number)
    loop("analyse").run_until_idle()
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.queue == "analyse").values(state="open", key="again", visible_at=0))
        tx.execute(update(Job).where(Job.key == "again").values(payload={"study_uid": STUDY, "revision": 2}))
    loop("examine", "analyse").run_until_idle()
    first, second = analyses(database)
    assert first.outcomes == second.outcomes
    assert [outcome.reason for outcome in first.outcomes] == [None, "modality", "unreadable"]


def test_a_late_image_is_the_only_one_that_is_examined_for_the_new_revision(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop]
) -> None:
    receive(node, database, radiograph(), 1)
    loop("analyse").run_until_idle()
    receive(node, database, other(radiograph), 2)
    loop("analyse").run_until_idle()
    assert asked == ["1.dcm", "2.dcm"]
    assert [len(analysis.outcomes) for analysis in analyses(database)] == [1, 2]


def test_an_analysis_that_is_due_takes_over_examinations_nobody_has_begun(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop]
) -> None:
    receive(node, database, radiograph(), 1)
    loop("analyse").run_until_idle()
    loop("examine").run_until_idle()
    assert asked == ["1.dcm"]
    assert jobs(database) == {"examine:2.25.1": "done", f"analyse:{STUDY}:1": "done"}


def test_an_analysis_waits_for_an_examination_under_way(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop]
) -> None:
    begun, proceed = threading.Event(), threading.Event()
    slow = loop("examine")
    examine = Examiner.examine

    def held_up(examiner: Examiner, instance: Any) -> Any:
        begun.set()
        proceed.wait(30)
        return examine(examiner, instance)

    receive(node, database, radiograph(), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Examiner, "examine", held_up)
        patch.setattr(worker, "LONGEST_WAIT_SECONDS", 30.0)
        slow.start()
        assert begun.wait(30)
        threading.Timer(0.3, proceed.set).start()
        loop("analyse").run_until_idle()
        slow.stop()
    assert asked == ["1.dcm"]
    assert len(analyses(database)) == 1


def test_an_analysis_does_not_wait_for_ever_for_a_worker_that_is_lost(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(worker, "LONGEST_WAIT_SECONDS", 0.05)
    receive(node, database, radiograph(), 1)
    assert queue.claim(database, ["examine"], "elsewhere/1/1/1.0", 60_000) is not None
    loop("analyse").run_until_idle()
    assert asked == ["1.dcm"]
    assert len(analyses(database)) == 1


def test_an_examination_that_fails_leaves_it_to_the_analysis_to_say_so(
    node: Settings, database: Database, radiograph: Any, loop: Callable[..., WorkLoop]
) -> None:
    receive(node, database, radiograph(), 1)
    (node.instance_dir / "1.dcm").unlink()
    loop("examine").run_until_idle()
    assert jobs(database) == {"examine:2.25.1": "done", f"analyse:{STUDY}:1": "open"}
    with database.reading() as read:
        assert read.scalars(select(ImageResult)).all() == []


@pytest.mark.fault(
    "an image ends the worker that examines it",
    promise="it is not examined again; the analysis decides",
    area="killed",
)
def test_an_image_that_killed_its_worker_is_not_examined_again_but_analysed(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop]
) -> None:
    receive(node, database, radiograph(), 1)
    assert queue.claim(database, ["examine"], "elsewhere/1/1/1.0", 1) is not None
    time.sleep(0.01)
    loop("examine").run_until_idle()
    assert asked == []
    loop("analyse").run_until_idle()
    assert asked == ["1.dcm"]


@pytest.mark.parametrize("change", ["settings", "bytes"])
def test_nothing_is_gathered_that_other_settings_or_other_bytes_gave(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop], change: str
) -> None:
    receive(node, database, radiograph(), 1)
    loop("examine").run_until_idle()
    later = node
    if change == "settings":
        later = node.model_copy(update={"inference": node.inference.model_copy(update={"min_age_years": 60})})
    else:
        with database.transaction() as tx:
            tx.execute(update(Instance).values(sha256="b" * 64))
    loop("analyse", settings=later).run_until_idle()
    (analysis,) = analyses(database)
    assert asked == ["1.dcm", "1.dcm"]
    assert analysis.outcomes[0].reason == ("age" if change == "settings" else None)


def test_threads_and_the_name_of_the_package_make_no_other_analyser(node: Settings) -> None:
    same = node.inference.model_copy(update={"threads": 7})
    assert Analyser(same).digest == Analyser(node.inference).digest


def test_both_queues_at_once_ask_once_an_image_and_record_one_analysis(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop]
) -> None:
    for number in range(1, 5):
        receive(node, database, radiograph(PatientID=str(number)), number)
    together = loop("examine", "analyse")
    together.start()
    deadline = time.monotonic() + 30
    while set(jobs(database).values()) != {"done"} and time.monotonic() < deadline:
        time.sleep(0.05)
    together.stop()
    assert sorted(asked) == [f"{number}.dcm" for number in range(1, 5)]
    assert [len(analysis.outcomes) for analysis in analyses(database)] == [4]


def test_points_that_are_moved_hold_for_new_analyses_only(
    node: Settings, database: Database, radiograph: Any, asked: list[str], loop: Callable[..., WorkLoop]
) -> None:
    receive(node, database, radiograph(), 1)
    work = loop("analyse")
    work.run_until_idle()
    with database.transaction() as tx:
        site_points.set_points(tx, "tiny", "lung_opacity", (0.01, 0.02), by=Actor("admin"))
        site_points.set_points(tx, "tiny", "tumour", (0.01, 0.02), by=Actor("admin"))  # of an earlier version
    receive(node, database, other(radiograph), 2)
    work.run_until_idle()
    before, after = analyses(database)
    points = [
        [finding.detail["points"] for finding in outcome.findings if finding.label == "lung_opacity"]
        for analysis in (before, after)
        for outcome in analysis.outcomes
    ]
    moved = {"sensitive": 0.01, "specific": 0.02}
    assert points == [[{"sensitive": 0.3, "specific": 0.7}], [moved], [moved]]
    assert asked == ["1.dcm", "1.dcm", "2.dcm"], "a result under other points is none of today's"
