"""Reads a Dockerfile and a .dockerignore, as far as ours go; what ours do not use is refused, not guessed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

KNOWN = {
    *("FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "CMD"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: its name, its ``--flags``, and the rest of the line."""

    name: str
    flags: tuple[str, ...]
    rest: str

    @property
    def words(self) -> list[str]:
        """The rest, as a shell takes it apart."""
        return shlex.split(self.rest)

    @property
    def command(self) -> list[str]:
        """The rest in exec form, which no shell stands in front of. Raises ValueError for the shell form."""
        found = json.loads(self.rest)
        if not isinstance(found, list):
            raise ValueError(f"{self.name} is not in exec form: {self.rest}")
        return [str(word) for word in found]


def read(file: Path) -> list[Step]:
    """The instructions in order. Raises ValueError for one this reader does not know."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    return [_step(line) for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


def _step(line: str) -> Step:
    name, _, rest = line.strip().partition(" ")
    if name not in KNOWN:
        raise ValueError(f"unknown instruction: {line}")
    flags = []
    while (rest := rest.strip()).startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
    return Step(name, tuple(flags), rest)


def context(folder: Path) -> Iterator[Path]:
    """What ``docker build`` is sent of a folder: its files, relative, but those its .dockerignore leaves out."""
    lines = (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    again = [PurePosixPath(rule[1:]).parts[0] for rule in rules if rule.startswith("!")]
    for top in sorted(folder.iterdir()):
        if _is_ignored(PurePosixPath(top.name), rules) and not any(fnmatch(top.name, name) for name in again):
            continue  # and nothing below it is taken back: a virtual environment has ten thousands of files
        for path in [top, *sorted(top.rglob("*"))]:
            found = path.relative_to(folder)
            if path.is_file() and not _is_ignored(PurePosixPath(found.as_posix()), rules):
                yield found


def _is_ignored(path: PurePosixPath, rules: list[str]) -> bool:
    """The last rule that fits the path or a folder it lies in decides."""
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(_fits(part, pattern) for part in (path, *path.parents)):
            ignored = not rule.startswith("!")
    return ignored


def _fits(path: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(path.name, pattern[3:])
    return len(path.parts) == len(PurePosixPath(pattern).parts) and fnmatch(str(path), pattern)
