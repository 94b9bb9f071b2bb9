"""The PostgreSQL database before an event loop is at it: found, tried, its tables made and brought up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from voice_agents.errors import ConfigurationError
from voice_agents.settings import PostgresUrl

CONNECT_S = 3
"""Per address of the host."""
START_S = 8.0
"""A start is given up then, whatever it waits for: a name that cannot be looked up, another instance's upgrade."""

MIGRATIONS = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        title TEXT NOT NULL DEFAULT '',
        created DOUBLE PRECISION NOT NULL,
        updated DOUBLE PRECISION NOT NULL
    );
    CREATE INDEX conversations_of_owner ON conversations (owner, updated);
    CREATE TABLE notes (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        owner TEXT NOT NULL,
        text TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL
    );
    CREATE INDEX notes_of_owner ON notes (owner);
    CREATE TABLE timers (
        id TEXT PRIMARY KEY,
        conversation TEXT NOT NULL,
        owner TEXT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        label TEXT NOT NULL,
        due DOUBLE PRECISION NOT NULL
    );
    CREATE INDEX timers_of_conversation ON timers (conversation, owner);
    CREATE TABLE talk_time (
        day TEXT NOT NULL,
        visitor TEXT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (day, visitor)
    );
    CREATE TABLE leases (
        conversation TEXT PRIMARY KEY,
        token TEXT NOT NULL,
        instance TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started TIMESTAMPTZ NOT NULL
    );
    """,
    """
    CREATE TABLE digests (
        conversation TEXT PRIMARY KEY,
        engine TEXT NOT NULL,
        turns INTEGER NOT NULL,
        words TEXT NOT NULL,
        name TEXT NOT NULL DEFAULT ''
    );
    CREATE TABLE deleted (
        conversation TEXT PRIMARY KEY,
        at DOUBLE PRECISION NOT NULL
    );
    """,
    """
    CREATE TABLE messages (
        conversation TEXT NOT NULL,
        position INTEGER NOT NULL,
        type TEXT NOT NULL,
        data BYTEA NOT NULL,
        words TEXT NOT NULL,
        PRIMARY KEY (conversation, position)
    );
    """,
)
"""Each brings the schema one version up. An instance of the version before must be able to go on with the result, or
fail with it and lose nothing: it cannot read conversations whose messages are in rows (the third)."""

_ONE_AT_A_TIME = 0x766F696365
"""The advisory lock of whoever changes the schema."""
_PATIENCE: dict[str, str | int] = {
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
    "client_encoding": "UTF8",
    "application_name": "voice-agents",
}
"""A server that is gone without a word is noticed in seconds (libpq's own patience is two hours)."""
_MALFORMED = (
    "DATABASE_URL is not an address of PostgreSQL: write postgresql://user:password@host:port/name, and the signs "
    "@ : / ? # % of a password as %40 %3A %2F %3F %23 %25."
)


def check_postgres(database: PostgresUrl) -> None:
    """Find out within seconds whether the database can be used. Raises ConfigurationError, which names DATABASE_URL."""
    failures: list[ConfigurationError] = []

    def work() -> None:
        try:
            prepare(database)
        except ConfigurationError as error:
            failures.append(error)

    working = threading.Thread(target=work, daemon=True)  # a name being looked up cannot be interrupted
    working.start()
    working.join(START_S)
    if working.is_alive():
        raise unusable(database, TimeoutError("it does not answer"))
    if failures:
        raise failures[0]


def prepare(database: PostgresUrl, also: Callable[[psycopg.Connection], object] = bool) -> None:
    """The database with its tables; ``also`` may make more, on a connection that commits each statement.

    Of several instances that start at once, one does it. Raises ConfigurationError, which names DATABASE_URL.
    """
    try:
        with psycopg.connect(conninfo(database), autocommit=True) as connection:
            _wait_in_line(connection)
            _migrate(connection)
            also(connection)
    except (psycopg.Error, TimeoutError) as error:
        raise unusable(database, error) from None


def conninfo(database: PostgresUrl) -> str:
    """The address with our patience where it does not say its own. Raises ConfigurationError when it is none."""
    try:
        told = conninfo_to_dict(database.url)
    except psycopg.Error:  # it shows the address, with the password
        raise ConfigurationError(_MALFORMED) from None
    port, name = str(told.get("port") or ""), str(told.get("dbname") or "")
    misread = not port.replace(",", "").isdecimal() and port
    if misread or database.url.count("@") > 1 or "@" in name:  # a password's sign was taken for one of the address
        raise ConfigurationError(_MALFORMED)
    return make_conninfo(database.url, **{name: value for name, value in _PATIENCE.items() if name not in told})


def unusable(database: PostgresUrl, error: Exception) -> ConfigurationError:
    """What is said of a database that cannot be used. No password is in it."""
    told = conninfo_to_dict(database.url)
    place = f"{told.get('dbname') or told.get('user') or ''} on {told.get('host') or 'this machine'}".strip()
    advice = "check DATABASE_URL (postgresql://user:password@host:port/name), and whether that server runs"
    if isinstance(error, psycopg.errors.DuplicateTable):
        advice = "these are tables of another program, so give this one a database of its own in DATABASE_URL"
    return ConfigurationError(f"The database {place} cannot be used ({reason_of(error)}): {advice}.")


def reason_of(error: Exception) -> str:
    """The server's or libpq's own words, as the middle of a sentence."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # connection failed: connection to server at "10.0.0.7", port 5432 failed: FATAL:  database "x" does not exist
    last = next((line for line in lines if "failed: " in line), lines[0] if lines else type(error).__name__)
    return last.rpartition("failed: ")[2].removeprefix("FATAL:").strip()


def _wait_in_line(connection: psycopg.Connection) -> None:
    """Until nobody else changes the schema; the lock goes with the connection.

    Asked again and again, since a statement that waits holds up CREATE INDEX CONCURRENTLY, which LangGraph uses, of
    the one it waits for.
    """
    deadline = time.monotonic() + START_S
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_ONE_AT_A_TIME,)).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > deadline:
            raise TimeoutError("another instance has been changing its tables for too long")
        time.sleep(0.05)


def _migrate(connection: psycopg.Connection) -> None:
    version = 0
    with suppress(psycopg.errors.UndefinedTable):
        row = connection.execute("SELECT version FROM voice_agents_schema").fetchone()
        version = row[0] if row else 0
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        with connection.transaction():
            connection.execute(statements)
            connection.execute("CREATE TABLE IF NOT EXISTS voice_agents_schema (version INTEGER NOT NULL)")
            connection.execute("DELETE FROM voice_agents_schema")
            connection.execute("INSERT INTO voice_agents_schema VALUES (%s)", (number,))
