"""Carries out the Dockerfile without Docker, step by step as it is written, in an empty folder.

In an empty Debian (``debootstrap``) every command runs in it by ``chroot``. In a folder without a system of its own the
folders the Dockerfile names are made below it, and the names are changed in the commands.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.deployment.dockerfile import Step, context, read

HERE = Path(__file__).parents[2]
PORT = "7860"
"""As the Dockerfile says."""
PATH = re.compile(r"(?<![\w.$}])/(?P<top>[a-z]\w*)(?=$|[/\s:'\"])")
"""The first folder of an absolute path."""
SYSTEM = {"usr", "bin"}
"""Folders of every Linux, which steps may use and none may change."""
MADE = re.compile(r"(?:-m venv|mkdir -p) /(\w+)")
NETWORK = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt")
"""What Docker, too, gives to the commands that build an image."""
START_S = 300.0


class Container:
    """An image while it is built, then the one container that runs of it."""

    def __init__(
        self, root: Path, *, debian: bool = False, port: int = int(PORT), packages: Path | None = None
    ) -> None:
        """``root``: the empty folder, or an empty Debian.

        Outside of a Debian: ``port`` is another one than 7860; ``packages`` an environment that has what
        requirements.txt asks for, which takes the place of the one the Dockerfile makes.
        """
        self.root = root
        self.port = port
        self.user = (0, 0)
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        self._debian = debian
        self._packages = packages
        self.user_is_kept_out = False
        """Its user cannot read ``packages``, so it runs as whoever runs this."""
        self._workdir = "/"
        self._health: list[str] = []
        self._command: list[str] = []
        self._stop_signal = signal.SIGTERM
        self._steps = read(HERE / "Dockerfile")
        self._folders = {found for step in self._steps for found in _made(step)}

    def build(self) -> None:
        """Carry out every step."""
        for step in self._steps:
            self.carry_out(step)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Its command, as its user, in nothing but its own environment."""
        process = await asyncio.create_subprocess_exec(
            *self._inside(self._command),
            cwd=None if self._debian else self._outside(self._workdir),
            env=self._environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            **self._as_user(),
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def healthy(self) -> bool:
        """Whether its health check passes now."""
        check = await asyncio.create_subprocess_exec(
            *self._inside(self._health),
            cwd=None if self._debian else self._outside(self._workdir),
            env=self._environment(),
            stderr=asyncio.subprocess.DEVNULL,
            **self._as_user(),
        )
        return await check.wait() == 0

    async def until_healthy(self) -> None:
        """As ``docker compose up --wait`` does."""
        async with asyncio.timeout(START_S):
            while not await self._listens():  # noqa: ASYNC110 - each check is a Python that is started
                await asyncio.sleep(0.1)
            while not await self.healthy():  # noqa: ASYNC110 - it can only be asked
                await asyncio.sleep(0.2)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def stop(self, process: asyncio.subprocess.Process) -> None:
        """What ``docker stop`` sends first."""
        process.send_signal(self._stop_signal)

    def data(self, name: str) -> Path:
        """A file of its volume."""
        return self.root / "data" / name

    # The steps

    def carry_out(self, step: Step) -> None:
        """One instruction."""
        match step.name:
            case "FROM":
                self._begin()
            case "ENV":
                self.env |= dict(word.split("=", 1) for word in step.words)
            case "WORKDIR":
                self._workdir = step.rest
                Path(self._outside(step.rest)).mkdir(parents=True, exist_ok=True)
            case "COPY":
                *sources, target = step.words
                self._copy(sources, target)
            case "RUN":
                self._run(step)
            case "USER":
                user, _, group = step.rest.partition(":")
                self.user = (int(user), int(group))
            case "HEALTHCHECK":
                self._health = Step("CMD", (), step.rest.removeprefix("CMD ")).command
            case "STOPSIGNAL":
                self._stop_signal = signal.Signals[step.rest]
            case "CMD":
                self._command = step.command

    def _begin(self) -> None:
        for name in NETWORK if self._debian else ():
            if Path("/", name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(Path("/", name), self.root / name)

    def _copy(self, sources: Sequence[str], target: str) -> None:
        sent = list(context(HERE))
        for source in sources:
            found = [path for path in sent if path == Path(source) or Path(source) in path.parents]
            assert found, f"{source} is not sent to the build: see .dockerignore"
            for path in found:
                inside = path.relative_to(source) if path != Path(source) else Path(path.name)
                to = Path(self._outside(self._workdir), target, inside)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(HERE / path, to)

    def _run(self, step: Step) -> None:
        if self._packages is not None and "pip install" in step.rest:
            return Path(self._outside("/venv")).symlink_to(self._packages)
        command = self._inside(["/bin/sh", "-ec", step.rest])
        environment = {**self._environment(), "HOME": "/root"}
        if not self._debian:
            environment |= {name: value for name, value in os.environ.items() if name.startswith(("HOME", "PIP_"))}
        cwd = None if self._debian else self._outside(self._workdir)
        done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise RuntimeError(f"{step.rest}: exit code {done.returncode}\n{done.stdout.decode()[-2000:]}")
        return None

    # Inside and outside

    def _outside(self, path: str) -> str:
        """Where a path of the container lies on this machine."""
        return str(self.root / path.lstrip("/"))

    def _mapped(self, text: str) -> str:
        """A path that is not one of the container's own would be this machine's: that is refused."""
        if self._debian:
            return text
        if strange := {found["top"] for found in PATH.finditer(text)} - self._folders - SYSTEM:
            raise ValueError(f"whose is /{min(strange)}? {text}")
        own = PATH.sub(lambda found: f"{self.root}/{found['top']}" if found["top"] in self._folders else found[0], text)
        return own.replace(PORT, str(self.port))

    def _inside(self, command: Sequence[str]) -> list[str]:
        if not self._debian:
            return [self._mapped(word) for word in command]
        user, group = self.user
        there = f'cd {self._workdir} && exec "$@"'
        return [
            "/usr/sbin/chroot",
            f"--userspec={user}:{group}",
            str(self.root),
            "/bin/sh",
            "-c",
            there,
            "sh",
            *command,
        ]

    def _environment(self) -> dict[str, str]:
        return {name: self._mapped(value) for name, value in self.env.items()}

    def _as_user(self) -> dict[str, Any]:
        """Only root can become somebody else, and only where that one can read the environment it is given."""
        if self._debian or os.geteuid() != 0:
            return {}
        user: dict[str, Any] = {"user": self.user[0], "group": self.user[1], "extra_groups": []}
        try:
            subprocess.run([self._outside("/venv/bin/python"), "-c", ""], check=True, **user)
        except (OSError, subprocess.CalledProcessError):
            self.user_is_kept_out = True
            return {}
        return user


def _made(step: Step) -> list[str]:
    """The folders at the top of the container that a step makes."""
    if step.name in ("WORKDIR", "VOLUME"):
        return [step.rest.strip("/").split("/")[0]]
    return MADE.findall(step.rest) if step.name == "RUN" else []
