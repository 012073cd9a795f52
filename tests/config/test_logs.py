"""Logs: structured, and with no way for patient data into them."""

import json
import logging
import threading

import pytest

from config.logs import configure_logs, get_logger
from config.settings import LogSettings


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_with_service_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="json"), "receive")
    get_logger("tests").info("instance-stored", instance_uid="1.2.3", bytes=7)
    (line,) = lines(capsys)
    assert line["event"] == "instance-stored"
    assert (line["service"], line["instance_uid"], line["bytes"], line["level"]) == ("receive", "1.2.3", 7, "info")
    assert "timestamp" in line


@pytest.mark.fault(
    "code logs a value that could be patient data",
    promise="its key is not among those allowed, and is dropped",
    area="secret",
)
def test_keys_that_could_hold_patient_data_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="json"), "receive")
    get_logger("tests").info("instance-stored", patient_name="Doe^Jane", instance_uid="1.2.3")
    (line,) = lines(capsys)
    assert "Doe" not in json.dumps(line)


@pytest.mark.fault(
    "a library logs values of a data set",
    promise="its message is withheld",
    area="secret",
)
def test_messages_of_libraries_that_echo_values_are_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="json"), "receive")
    for name in ("pydicom", "pynetdicom.events", "highdicom.sr", "hl7apy", "py.warnings"):
        logging.getLogger(name).warning("bad value %r for PN", "Doe^Jane")
    text = capsys.readouterr().err
    assert "Doe" not in text
    assert text.count("withheld") == 5


def test_a_withheld_message_says_what_kind_of_problem_it_was_and_about_which_attribute(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(LogSettings(format="json"), "work")
    library = logging.getLogger("pydicom")
    library.warning("Invalid value for VR DA: '%s' in (0010,0030)", "Doe^Jane")
    library.warning("PatientName holds %s, (9999,0001) and :1: JaneWarning: VR DOE", "Doe^Jane")
    library.warning("cannot read %s", "Doe^Jane")
    logging.getLogger("py.warnings").warning("%s", "/lib/valuerep.py:440: UserWarning: Doe^Jane in VR PN\n  warn(Doe)")
    try:
        raise KeyError("Doe^Jane")
    except KeyError:
        library.exception("cannot read %s", "Doe^Jane")
    found = [str(line["event"]) for line in lines(capsys)]
    assert not [event for event in found if "Doe" in event or "Jane" in event]
    assert [event.partition("):")[2].strip() for event in found] == [
        "about PatientBirthDate (0010,0030), VR DA", "about PatientName (0010,0010)", "", "UserWarning about VR PN",
        "KeyError",
    ]  # fmt: skip


@pytest.mark.fault(
    "an exception quotes a data set",
    promise="logged by type and place, not by its words",
    area="secret",
)
def test_an_exception_is_logged_by_type_and_place_not_by_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="json"), "work")
    try:
        raise ValueError("cannot parse 'Doe^Jane'")
    except ValueError:
        get_logger("tests").exception("job-failed", job="analyse:1.2.3:1")
    (line,) = lines(capsys)
    assert "Doe" not in json.dumps(line)
    assert str(line["exception"]).startswith("ValueError at test_logs.py:")


def test_a_line_from_another_thread_names_the_service_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="json"), "deliver")
    thread = threading.Thread(target=lambda: get_logger("tests").info("job-failed", job="deliver:1"))
    thread.start()
    thread.join()
    (line,) = lines(capsys)
    assert line["service"] == "deliver"
