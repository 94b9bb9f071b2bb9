"""The image: what it is made of, and that what it runs ends its sentence when it is stopped."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.browser.helpers.process import free_port
from tests.deployment.container import HERE, PORT, Container
from tests.deployment.dockerfile import Step, context, read
from tests.deployment.talk import QUESTION, stopped_while_an_answer_plays
from voice_agents.conversation.history import Speaker
from voice_agents.stopping import STOP_S

STEPS = read(HERE / "Dockerfile")
SERVICE: dict[str, Any] = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))["services"][
    "voice-agents"
]
TOLD_LATE_S = 2.0
"""Docker may take so long to tell the app."""


def step(name: str) -> Step:
    """The one step of this name."""
    [found] = [one for one in STEPS if one.name == name]
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that everybody can enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="container-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.skipif(os.name != "posix", reason="the image is one of Linux")
async def test_what_the_image_runs_ends_its_sentence_when_it_is_stopped(folder: Path) -> None:
    container = Container(folder, port=free_port(), packages=Path(sys.prefix))
    container.build()
    stopped = await stopped_while_an_answer_plays(container)
    assert stopped.health == "503 draining"
    assert stopped.code == 0
    assert stopped.user != 0 or container.user_is_kept_out
    question, answer = stopped.stored
    assert (question.role, question.text) == (Speaker.USER, QUESTION)
    assert answer.role is Speaker.AGENT
    assert answer.interrupted
    assert answer.text


def test_it_runs_as_nobody_in_particular_and_takes_the_signal_itself() -> None:
    names = [one.name for one in STEPS]
    user, _, group = step("USER").rest.partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert names.index("USER") > max(number for number, name in enumerate(names) if name == "RUN")
    assert step("CMD").command == ["/venv/bin/python", "app.py"]
    assert step("STOPSIGNAL").rest == "SIGTERM"
    assert step("EXPOSE").rest == PORT


def test_its_python_is_the_oldest_that_is_promised() -> None:
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = project["requires-python"].removeprefix(">=")
    assert step("FROM").rest.startswith(f"python:{promised}-slim-")


def test_it_is_sent_the_program_and_no_secrets() -> None:
    sent = {path.as_posix() for path in context(HERE)}
    assert {path.split("/")[0] for path in sent} == {"app.py", "requirements.txt", "voice_agents"}
    program = {
        path.relative_to(HERE).as_posix()
        for path in (HERE / "voice_agents").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert program <= sent


def test_a_rule_of_the_ignored_that_comes_later_counts_more(tmp_path: Path) -> None:
    for name in ("kept/a.py", "kept/__pycache__/a.pyc", "other/b.py", ".env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text("*\n!kept\n**/__pycache__\n")
    assert [path.as_posix() for path in context(tmp_path)] == ["kept/a.py"]


def test_a_step_that_would_not_be_carried_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nADD a b\n")
    with pytest.raises(ValueError, match="unknown instruction: ADD"):
        read(tmp_path / "Dockerfile")


def test_a_path_of_this_machine_is_touched_by_no_step(folder: Path) -> None:
    container = Container(folder, packages=Path(sys.prefix))
    with pytest.raises(ValueError, match="whose is /srv"):
        container.carry_out(Step("RUN", (), "mkdir -p /data && rm -rf /srv/data"))


def test_compose_gives_it_the_time_to_end_and_a_place_to_keep() -> None:
    grace = re.fullmatch(r"(\d+)s", SERVICE["stop_grace_period"])
    assert grace is not None
    assert int(grace[1]) >= STOP_S + TOLD_LATE_S
    assert SERVICE["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert SERVICE["volumes"] == [f"data:{step('VOLUME').rest}"]
    env = [word for one in STEPS if one.name == "ENV" for word in one.words]
    assert f"DATABASE_URL={SERVICE['environment']['DATABASE_URL']}" in env
