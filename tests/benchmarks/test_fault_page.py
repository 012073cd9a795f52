"""The table of faults: what the tests are marked with, no more and no less."""

from pathlib import Path

import pytest

from benchmarks import fault_page

LEAST = 60


@pytest.fixture(scope="module")
def found() -> list[fault_page.Fault]:
    return fault_page.faults()


def test_the_page_says_what_the_tests_are_marked_with(found: list[fault_page.Fault]) -> None:
    page = fault_page.PAGE.read_text(encoding="utf-8")
    assert fault_page.replaced(page, fault_page.section(found)) == page, "run python -m benchmarks.fault_page"
    assert len({fault.test for fault in found}) >= LEAST
    assert {fault.area for fault in found} == set(fault_page.AREAS)
    assert all(page.count(f"`{fault.file}::{fault.test}`") >= 1 for fault in found)


def test_each_fault_is_named_once(found: list[fault_page.Fault]) -> None:
    names = [fault.fault for fault in found if not fault.fault.startswith("…")]
    assert {name for name in names if names.count(name) > 1} == set()


@pytest.mark.parametrize(
    "mark",
    [
        'pytest.mark.fault("f", promise="p")',
        'pytest.mark.fault("f", promise="p", area="nowhere")',
        'pytest.mark.fault("f", promise="", area="disk")',
        'pytest.mark.fault("f | g", promise="p", area="disk")',
        'pytest.mark.fault("f" + str(1), promise="p", area="disk")',
        'pytest.mark.fault(promise="p", area="disk")',
        'pytest.mark.fault("f", promise="p", area="disk", more="m")',
    ],
)
def test_a_mark_that_the_table_cannot_show_is_refused(mark: str, tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(f"@{mark}\ndef test_y() -> None: ...\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"test_x.py::test_y"):
        fault_page.faults(tmp_path)


def test_a_mark_is_read_with_others_around_it(tmp_path: Path) -> None:
    source = '@pytest.mark.long\n@pytest.mark.fault("f", promise="p", area="disk")\ndef test_y() -> None: ...\n'
    (tmp_path / "test_x.py").write_text(source, encoding="utf-8")
    assert fault_page.faults(tmp_path) == [fault_page.Fault("disk", "f", "p", "test_x.py", "test_y")]
