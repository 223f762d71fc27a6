"""A PostgreSQL of a test's own: on loopback, with its own port, data and password."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg2

from tests.processes import free_port

PASSWORD = "not-a-secret"
SERVERS_USER = "postgres"  # PostgreSQL refuses to run as root
START_SECONDS = 120


def binaries() -> Path | None:
    """The folder of ``initdb``, which Debian keeps off the path; None if there is none."""
    found = shutil.which("initdb")
    folders = (
        [Path(found).resolve().parent]
        if found
        else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    )
    return folders[-1] if folders else None


def missing() -> str | None:
    """What keeps a server from running here; None if nothing does."""
    if binaries() is None:
        return "needs the programs of PostgreSQL"
    if os.geteuid() == 0 and SERVERS_USER not in {user.pw_name for user in pwd.getpwall()}:
        return f"PostgreSQL does not run as root, and there is no user {SERVERS_USER}"
    return None


class Postgres:
    """A server with an empty database ``mlflow``, as a context.

    Attributes:
        uri: of the database, password included.
    """

    def __init__(self) -> None:
        self._bin = binaries()
        self._user = SERVERS_USER if os.geteuid() == 0 else None
        # not below pytest's folder, which other users cannot enter
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._port = free_port()
        self._server = f"mlflow:{PASSWORD}@127.0.0.1:{self._port}"
        # without a driver SQLAlchemy takes the one that its version prefers
        self.uri = f"postgresql+psycopg2://{self._server}/mlflow"

    def __enter__(self) -> Postgres:
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            for path in (self._folder, password):
                os.chown(path, account.pw_uid, account.pw_gid)
        self._run(
            "initdb", "--pgdata", str(self._data), "--username", "mlflow",
            "--auth", "scram-sha-256", "--pwfile", str(password), "--no-sync",
        )  # fmt: skip
        self.start()
        connection = psycopg2.connect(f"postgresql://{self._server}/postgres")
        connection.autocommit = True  # a database is not made within a transaction
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE mlflow")
        connection.close()

    def __exit__(self, *_: object) -> None:
        if (self._data / "postmaster.pid").exists():
            self.kill()
        shutil.rmtree(self._folder)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Return once it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._folder}"
        self._control("start", "-w", "-t", str(START_SECONDS), "-o", options)

    def kill(self) -> None:
        """End it at once, as a crash does: what it wrote last is recovered by the next start."""
        self._control("stop", "-m", "immediate")

    def _control(self, action: str, *flags: str) -> None:
        log = str(self._folder / "log")
        self._run("pg_ctl", action, "--pgdata", str(self._data), "-l", log, *flags)

    def _run(self, program: str, *arguments: str) -> None:
        assert self._bin is not None
        subprocess.run(
            [str(self._bin / program), *arguments],
            check=True,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,  # a server that stays must not hold a pipe open
        )
