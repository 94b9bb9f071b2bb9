"""The house stays as it was designed: every room imports from floors below only, and vendors' packages stay at home."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "voice_agents"
FLOORS = (
    {
        *(
            "address",
            "alarm",
            "collector",
            "errors",
            "events",
            "audio",
            "environment",
            "impatience",
            "logs",
            "openness",
            "type_stubs",
        ),
        *("local_models", "pasted", "proxies", "relay", "settings", "stopping", "tools", "prompts", "turns"),
    },
    {"providers"},
    {"conversation"},
    {"session"},
    {"engines"},
    {"transports"},
    {"ui"},
    {"doctor"},
)
GROUND = FLOORS[0]
OFFLINE_MAY_USE = {"audio", "collector", "turns", "tools", "errors", "impatience", "offline"}
AT_HOME = {
    "fastrtc": {"transports"},
    "aiortc": {"transports", "doctor"},
    "av": {"transports", "offline", "doctor"},
    "gradio": {"ui"},
    "langgraph": {"conversation"},
    "psycopg": {"conversation"},
    "psycopg_pool": {"conversation"},
    "opentelemetry": {"transports"},
    "prometheus_client": {"transports"},
    "elevenlabs": {"providers"},
    "openai": {"providers", "offline"},
    "ctranslate2": {"offline"},
    "espeakng_loader": {"offline"},
}
BUILT = {"build", "voice_agents.egg-info"}
"""What `pip install .` leaves behind."""
MODULES = sorted(PACKAGE.rglob("*.py"))
assert MODULES


def room_of(path: Path) -> str:
    """The room a module belongs to: its folder or its own name directly below the package."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module a file imports, also inside functions and for type checking."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def rooms_used(path: Path) -> set[str]:
    """The rooms of this package a file imports from."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("voice_agents.")}


def allowed_for(room: str) -> set[str]:
    if room == "offline":
        return OFFLINE_MAY_USE
    floor = next(number for number, rooms in enumerate(FLOORS) if room in rooms)
    return {room, *(GROUND if not floor else set().union(*FLOORS[:floor]))}


def test_a_room_imports_from_floors_below_only() -> None:
    strays = {
        str(path.relative_to(PACKAGE)): above
        for path in MODULES
        if room_of(path) != "__init__" and (above := rooms_used(path) - allowed_for(room_of(path)))
    }
    assert strays == {}


def test_vendor_packages_stay_in_their_rooms() -> None:
    strays = {
        (str(path.relative_to(PACKAGE)), vendor)
        for path in MODULES
        for vendor in AT_HOME.keys() & {name.split(".")[0] for name in imports(path)}
        if room_of(path) not in AT_HOME[vendor]
    }
    assert strays == set()


def test_the_client_of_one_vendor_knows_no_other() -> None:
    homes = {path.name for path in (PACKAGE / "providers").iterdir() if (path / "__init__.py").exists()}
    assert homes
    for path in (PACKAGE / "providers").rglob("*.py"):
        used = {name.split(".")[2] for name in imports(path) if name.startswith("voice_agents.providers.")}
        assert used & homes <= {path.parent.name}, path


def test_a_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_the_top_level_holds_nothing_else() -> None:
    known = {
        "app.py",
        "voice_agents",
        "tests",
        "compose.scale.yaml",
        "docs",
        "requirements.txt",
        "requirements-dev.txt",
        "README.md",
        "CONTRIBUTING.md",
        "Dockerfile",
        "LICENSE",
        "compose.yaml",
        "pyproject.toml",
    }
    assert {name for name in top_level() if not name.startswith((".", "__"))} - BUILT == known


def top_level() -> set[str]:
    """What git keeps; without git everything that lies there, a log or a note of somebody's own, too."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = (
        subprocess.run(git, capture_output=True, text=True)
        if (ROOT / ".git").exists() and shutil.which("git")
        else None
    )
    if listed is None or listed.returncode or not listed.stdout:
        return {path.name for path in ROOT.iterdir()}
    names = {name.partition("/")[0] for name in listed.stdout.split("\0")} - {""}
    return {name for name in names if (ROOT / name).exists()}
