"""The compose file: every service of the node, with settings and secrets that fit."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.load import load_settings
from cxrnode.service import SERVICES

DOCKER = Path(__file__).parents[2] / "docker"


@pytest.fixture
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return content


def test_every_service_of_the_node_runs(compose: dict[str, Any]) -> None:
    commands = {name: service["command"] for name, service in compose["services"].items() if "command" in service}
    assert commands == {"upgrade": ["db", "upgrade"], **{name: [name] for name in SERVICES}}


def test_what_a_service_uses_is_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert {entry["source"] for entry in service.get("configs", [])} <= set(compose["configs"])
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(compose["volumes"])
    head = (DOCKER / "compose.yaml").read_text(encoding="utf-8").partition("\nname:")[0]
    for secret in compose["secrets"].values():
        assert secret["file"] in head, "the head says how it is made"


@pytest.mark.parametrize("name", SERVICES)
def test_the_settings_of_a_service_are_good(
    name: str, compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for secret in compose["secrets"]:
        (tmp_path / secret).write_text("secret", encoding="utf-8")
    (tmp_path / "cxrnode.toml").write_text(compose["configs"]["settings"]["content"], encoding="utf-8")
    for variable in [name for name in os.environ if name.startswith("CXRNODE_")]:
        monkeypatch.delenv(variable)
    for variable, value in compose["services"][name]["environment"].items():
        if variable != "CXRNODE_CONFIG":
            monkeypatch.setenv(variable, value.replace("/run/secrets", str(tmp_path)))
    settings = load_settings(tmp_path / "cxrnode.toml")
    assert settings.database_url() == "secret"
    assert [destination.name for destination in settings.destinations] == ["pacs"]


def test_docker_compose_reads_it(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    answer = subprocess.run(
        [docker, "compose", "--file", str(DOCKER / "compose.yaml"), "config", "--quiet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
