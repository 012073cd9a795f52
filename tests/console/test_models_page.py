"""The models: what each package is, what it may state here and why, and what a card can do to the page."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from console.app import make_app
from console.card import card_html
from inference.installed import installed_packages
from inference.package import BUILT_IN, MANIFEST, load_package
from inference.site_points import take_settings
from tests.console.visitors import begin_session
from tracking.engine.database import Database
from tracking.people.roles import Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def page(browse: Callable[..., TestClient]) -> str:
    return browse(role=Role.VIEWER).get("/models").text


def test_packages_are_shown_with_digest_points_and_what_is_stated(page: str) -> None:
    package = load_package("chest-default")
    assert package.digest in page
    row = r'<b class="name">([^<]*)</b>(?:(?!</tr>).)*?<span class="status[^>]*>([^<]*)</span>'
    rows = re.findall(row, page, re.DOTALL)
    assert dict(rows)["Opacity"] == "stated"
    assert len(rows) == len(package.manifest.findings)
    assert "scored only" in dict(rows).values()
    for words in ("91 of 130", "in use", "Card of verdict", "Intended use."):
        assert words in page
    assert "style=" not in page


def test_points_of_the_site_are_shown_beside_those_of_the_package(settings: Settings, database: Database) -> None:
    own = {"inference": {"operating_points": {"lung_opacity": {"sensitive": 0.111, "specific": 0.222}}}}
    take_settings(Settings(**settings.model_dump() | own).inference, database)
    with TestClient(make_app(Settings(**settings.model_dump() | own), database), base_url="http://127.0.0.1") as client:
        client.cookies.set("cxrnode", begin_session(database, Role.VIEWER))
        page = client.get("/models").text
    assert "11.1%" in page
    assert re.search(r"22\.2%<span class=\"sub\">this site&#39;s|22\.2%<span class=\"sub\">this site's", page)
    opacity = page[page.index("Opacity</b>") :]
    assert "scored only" in opacity[: opacity.index("</tr>")], "a lower point makes calls that nobody measured"


def test_a_package_that_was_altered_says_so_and_the_page_stands(
    settings: Settings, tmp_path: Path, database_url: str
) -> None:
    folder = tmp_path / "altered"
    shutil.copytree(BUILT_IN / "verdict", folder)
    (folder / "card.md").write_text("other words", encoding="utf-8")
    told = settings.inference.model_copy(update={"package": str(folder)})
    entry = installed_packages(told)[0]
    assert (entry.name, entry.package, entry.in_use) == ("altered", None, True)
    assert "card.md" in entry.problem
    (folder / MANIFEST).unlink()
    assert installed_packages(told)[0].problem


def test_a_card_cannot_change_the_page(database_url: str) -> None:
    shown = card_html(
        "# Title\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) ![i](http://e/x.png)\n\n|a| |\n|-|-|\n|1|2|\n"
    )
    assert "<script" not in shown
    assert re.findall('href="(.*?)"', shown) == ["http://e/x.png"], "an image is a link, and no script is one"
    assert "<img" not in shown
    assert "<h3>Title</h3>" in shown
    assert shown.count("<th>") == 1
