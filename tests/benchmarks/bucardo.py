"""Bucardo between two databases, as a peer: Debian's package, with its defaults or tuned to look all the time.

    apt-get install bucardo postgresql-plperl-15

It keeps its own database on a server of its own, since it needs PL/Perl there; the databases that it syncs stand on the
servers that everybody uses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from antiphon_sandbox import postgres

BINARIES = Path("/usr/lib/postgresql/15/bin")
DATABASE = "bucardo_side"
TUNED = ("kid_sleep", "ctl_sleep", "mcp_loop_sleep", "kid_nodeltarows_sleep", "endsync_sleep")
"""Seconds that its processes sleep between two looks; 0.5 to 1 by default."""


def installed() -> bool:
    """Whether it can be run here."""
    return shutil.which("bucardo") is not None and (BINARIES / "initdb").exists()


@contextmanager
def syncing(
    folder: Path, clusters: Mapping[str, postgres.Cluster], table: str, name: str, *, tuned: bool
) -> Iterator[None]:
    """Within, it syncs the table `name` of the database `DATABASE` on both servers, which is made by `table`.

    `folder` is its own.
    """
    with patch.dict(os.environ, {"ANTIPHON_POSTGRES": str(BINARIES)}):
        own = postgres.start(folder / "bucardo")
    with postgres.connect(own) as connection:  # whom it makes otherwise, with a password that it does not tell
        connection.execute(f"create role bucardo superuser login password '{own.password}'".encode())
    for cluster in clusters.values():
        postgres.create_database(cluster, DATABASE)
        with postgres.connect(cluster, DATABASE) as connection:
            connection.execute(table.encode())
    home = folder / "bucardo-home"
    home.mkdir()
    settings = {
        "dbhost": own.host,
        "dbport": own.port,
        "dbname": "bucardo",
        "dbuser": "bucardo",
        "dbpass": own.password,
    }
    (home / "bucardorc").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    command = _Command(home, own)
    command.run("install", "--batch", f"--dbuser={own.user}", "--dbname=postgres", f"--piddir={home}")
    for side, cluster in clusters.items():
        login = f"host={cluster.host} port={cluster.port} user={cluster.user} pass={cluster.password}"
        command.run("add", "db", side, f"dbname={DATABASE}", *login.split())
    first = next(iter(clusters))
    command.run("add", "table", name, f"db={first}", "relgroup=all")
    sources = ",".join(f"{side}:source" for side in clusters)
    command.run("add", "sync", "all", "relgroup=all", f"dbs={sources}", "conflict_strategy=bucardo_latest")
    command.run("set", f"reason_file={home}/reason", f"warning_file={home}/warning")
    if tuned:
        command.run("set", *(f"{setting}=0.01" for setting in TUNED))
    command.run("start", f"--log-destination={home}")
    try:
        yield
    finally:
        command.run("stop")
        postgres.stop(own)
        for cluster in clusters.values():
            with postgres.connect(cluster) as connection:
                connection.execute(f"drop database {DATABASE} with (force)".encode())


class _Command:
    def __init__(self, home: Path, own: postgres.Cluster) -> None:
        self._home, self._own = home, own

    def run(self, *words: str) -> str:
        """Run the command. Ends the benchmark if it fails."""
        done = subprocess.run(
            ["bucardo", f"--bucardorc={self._home}/bucardorc", *words],
            cwd=self._home,
            env={**os.environ, "HOME": str(self._home), "PGPASSWORD": self._own.password},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(f"bucardo {' '.join(words)}: {done.returncode}\n{done.stdout}")
        return done.stdout
