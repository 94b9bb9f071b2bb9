"""The database before a library with a loop is at it: a file made for its owner only, and tried in plain SQL."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from voice_agents.errors import ConfigurationError
from voice_agents.settings import PostgresUrl

BUSY_TIMEOUT_S = 5.0

TABLES = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    updated REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS conversations_of_owner ON conversations (owner, updated);
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    text TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_of_owner ON notes (owner);
CREATE TABLE IF NOT EXISTS timers (
    id TEXT PRIMARY KEY,
    conversation TEXT NOT NULL,
    owner TEXT NOT NULL,
    seconds REAL NOT NULL,
    label TEXT NOT NULL,
    due REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS timers_of_conversation ON timers (conversation, owner);
CREATE TABLE IF NOT EXISTS messages (
    conversation TEXT NOT NULL,
    position INTEGER NOT NULL,
    type TEXT NOT NULL,
    data BLOB NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (conversation, position)
);
CREATE TABLE IF NOT EXISTS digests (
    conversation TEXT PRIMARY KEY,
    engine TEXT NOT NULL,
    turns INTEGER NOT NULL,
    words TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS deleted (
    conversation TEXT PRIMARY KEY,
    at REAL NOT NULL
);
"""
NO_DATABASE = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_IOERR_SHORT_READ")
"""SQLite's names for a file that makes no sense."""
_BESIDE = ("-wal", "-shm", "-journal")


def check_database(database: Path | PostgresUrl) -> None:
    """Make the file, or find out whether the one that is there, or the server, can be used.

    Raises ConfigurationError, which names DATABASE_URL. A file takes milliseconds, and loads no other library.
    """
    if isinstance(database, PostgresUrl):
        from voice_agents.conversation.postgres_schema import check_postgres

        return check_postgres(database)
    try:
        return prepare(database)
    except (OSError, sqlite3.Error) as error:
        raise unusable(database, error) from None


def unusable(path: Path, error: Exception) -> ConfigurationError:
    """What is said of a file that cannot be opened."""
    reason = error.strerror if isinstance(error, OSError) else error
    return ConfigurationError(
        f"The database {path} cannot be opened ({reason}): "
        "set DATABASE_URL to a file this program may write, such as sqlite:///conversations.sqlite3."
    )


def prepare(path: Path) -> None:
    """The file with its tables, for its owner only. Raises OSError and sqlite3.Error.

    In plain sqlite3 and all of it: aiosqlite does not wait for its thread when opening fails, which may outlive the
    event loop then.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        # SQLite gives what it puts beside the file the same rights.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
        for name in (path, *(_beside(path, suffix) for suffix in _BESIDE)):
            with suppress(OSError):  # gone, or somebody else's who lets us write
                name.chmod(0o600)


def repair(path: Path) -> str:
    """What became of a file that others have touched, with no connection of ours open; "" when it is whole.

    What is no database any more is moved aside, never deleted. Raises OSError and sqlite3.Error.
    """
    if not path.exists():
        _forget_beside(path)
        return "deleted"
    if path.stat().st_size and _is_whole(path):
        return ""
    path.replace(_beside(path, f".damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"))
    _forget_beside(path)
    return "overwritten"


def _is_whole(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute("SELECT id, owner, title, created, updated FROM conversations LIMIT 1")
            return connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname not in (*NO_DATABASE, "SQLITE_ERROR"):  # the latter: without our tables
            raise  # locked, or no rights: nothing is known of it
        return False


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _forget_beside(path: Path) -> None:
    """Remove what SQLite kept beside a file that is gone: it would be taken for a part of the next one."""
    for suffix in _BESIDE:
        _beside(path, suffix).unlink(missing_ok=True)
