"""The README's figures are those of the last runs, to the letter."""

import json

from benchmarks.readme import README, RESULTS, replaced, section


def test_the_readme_quotes_the_last_runs() -> None:
    receive, turnaround = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("receive", "turnaround"))
    readme = README.read_text(encoding="utf-8")
    assert readme == replaced(readme, section(receive, turnaround))
