"""The documentation builds as a site, without a broken link, and names tests that there are."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "WARNING" not in answer.stderr
    built = {page.stem for page in site.glob("*.html")}
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} <= built


def test_every_test_that_the_page_on_security_names_is_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    missing, file, named = [], "", 0
    for found in re.finditer(r"`(?P<file>tests/[\w/]+(?:\.py)?|…)(?:::(?P<test>\w+))?`", page):
        file = file if found["file"] == "…" else found["file"]
        path = ROOT / file
        named += 1
        if not path.exists() or (found["test"] and f"def {found['test']}(" not in path.read_text(encoding="utf-8")):
            missing.append(found[0])
    assert missing == []
    assert named > 60
    attacks = page.partition("## Attacks")[2].partition("## What it does not do")[0]
    rows = [line for line in attacks.splitlines() if line.startswith("|") and not re.match(r"\| attack |\|---", line)]
    assert [row[:60] for row in rows if "`tests/" not in row] == [], "an attack without a test"
    assert len(rows) > 60
