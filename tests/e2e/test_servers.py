"""What the end-to-end tests stand on is real: two PostgreSQL clusters, two plugins exactly as published."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from antiphon_sandbox import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "tests" / "plugins"
PLUGINS = {"tap-postgres": "meltanolabs-tap-postgres", "target-postgres": "meltanolabs-target-postgres"}

pytest.importorskip("psycopg")

# Runs inside a plugin's own environment: every installed file against the hash its wheel was published with.
INSPECT = """
import base64, hashlib, importlib.metadata, json, sys

def differs(file):
    digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value

report = {"prefix": sys.prefix, "distributions": {}}
for distribution in importlib.metadata.distributions():
    hashed = [file for file in distribution.files if file.hash]
    report["distributions"][distribution.name] = {
        "version": distribution.version,
        "files": len(hashed),
        "changed": [str(file) for file in hashed if not file.locate().is_file() or differs(file)],
        "not_from_an_index": bool(distribution.read_text("direct_url.json")),
        "scripts": [entry.name for entry in distribution.entry_points if entry.group == "console_scripts"],
    }
print(json.dumps(report))
"""


def environment(plugin: str) -> Path:
    """Return the environment of `plugin`; the Makefile builds it from the locked file of the same name."""
    folder = ROOT / ".plugins" / plugin
    if not folder.is_dir():
        pytest.skip(f"{folder.relative_to(ROOT)} is not built: run `make plugins`")
    return folder


def inspect(plugin: str) -> dict[str, Any]:
    """Describe what is installed beside `plugin`, as its own Python sees it."""
    done = subprocess.run(
        [environment(plugin) / "bin" / "python", "-I", "-c", INSPECT], check=True, capture_output=True, text=True
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def normalized(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(plugin: str) -> dict[str, str]:
    """Return the versions that the locked file of `plugin` allows."""
    text = (LOCKS / f"{plugin}.txt").read_text(encoding="utf-8")
    return {
        normalized(name): version
        for name, version in re.findall(r"^([\w.-]+)(?:\[[\w, .-]+\])?==([\w.+!]+)", text, re.MULTILINE)
    }


@pytest.fixture(scope="module")
def clusters() -> Iterator[tuple[postgres.Cluster, postgres.Cluster]]:
    """Two servers, as two companies would run them."""
    with tempfile.TemporaryDirectory(prefix="antiphon-servers-") as name:  # pytest closes its own to the server
        folder = Path(name)
        with postgres.running(folder / "crm") as crm, postgres.running(folder / "warehouse") as warehouse:
            yield crm, warehouse


def test_the_two_clusters_are_two(clusters: tuple[postgres.Cluster, postgres.Cluster]) -> None:
    """They share neither identity nor data directory nor password."""
    crm, warehouse = clusters
    assert postgres.system_identifier(crm) != postgres.system_identifier(warehouse)
    assert crm.data_dir != warehouse.data_dir
    assert crm.password != warehouse.password


def test_the_clusters_listen_on_loopback_only(clusters: tuple[postgres.Cluster, postgres.Cluster]) -> None:
    """Each answers on 127.0.0.1 over TCP, and is told to listen nowhere else."""
    for cluster in clusters:
        assert cluster.host == "127.0.0.1"
        with socket.create_connection((cluster.host, cluster.port), timeout=5):
            pass
        with postgres.connect(cluster) as connection:
            row = connection.execute(
                "SELECT host(inet_server_addr()), inet_server_port(), current_setting('listen_addresses')"
            )
            assert row.fetchone() == ("127.0.0.1", cluster.port, "127.0.0.1")


def test_a_wrong_password_is_refused(clusters: tuple[postgres.Cluster, postgres.Cluster]) -> None:
    """Loopback is not trusted: one cluster's password opens that cluster only."""
    import psycopg  # noqa: PLC0415 - after importorskip

    crm, warehouse = clusters
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(crm.dsn().replace(crm.password, warehouse.password))


def test_a_stopped_cluster_comes_back_with_its_data_at_the_same_address(tmp_path: Path) -> None:
    """A cluster is its data directory, even after a crash."""
    first = postgres.start(tmp_path / "data", durable=True)
    try:
        postgres.create_database(first, "kept")
        identifier = postgres.system_identifier(first)
        postgres.stop(first, mode="immediate")
        again = postgres.start(tmp_path / "data", durable=True)
        assert again == first
        assert postgres.start(tmp_path / "data") == first
        assert postgres.system_identifier(again) == identifier
        with postgres.connect(again, "kept") as connection:
            assert connection.execute("SELECT current_setting('fsync')").fetchone() == ("on",)
    finally:
        postgres.stop(tmp_path / "data")


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_plugin_is_the_published_one(plugin: str) -> None:
    """Its version is the locked one and each file of its environment has the hash it was published with."""
    report = inspect(plugin)
    distributions = {normalized(name): facts for name, facts in report["distributions"].items()}
    name = PLUGINS[plugin]
    assert distributions[name]["version"] == locked(plugin)[name]
    assert plugin in distributions[name]["scripts"]
    for installed, facts in distributions.items():
        assert facts["changed"] == [], installed
        assert facts["files"] > 0, installed
        assert not facts["not_from_an_index"], installed
    versions = {installed: facts["version"] for installed, facts in distributions.items()}
    brought_by_venv = {"pip", "setuptools"}
    assert {key: version for key, version in versions.items() if key not in brought_by_venv}.items() <= locked(
        plugin
    ).items()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_plugin_says_its_version(plugin: str) -> None:
    """The executable itself answers, not only its metadata."""
    executable = environment(plugin) / "bin" / plugin
    done = subprocess.run([executable, "--version"], check=True, capture_output=True, text=True)
    assert locked(plugin)[PLUGINS[plugin]] in done.stdout


def test_each_plugin_has_its_own_environment() -> None:
    """Neither sees the other's packages, nor those of these tests."""
    tap, target = inspect("tap-postgres"), inspect("target-postgres")
    assert Path(tap["prefix"]) == environment("tap-postgres")
    assert Path(target["prefix"]) == environment("target-postgres")
    assert PLUGINS["target-postgres"] not in tap["distributions"]
    assert PLUGINS["tap-postgres"] not in target["distributions"]
    for report in (tap, target):
        assert "antiphon" not in report["distributions"]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_locked_file_pins_every_line_by_hash_and_names_no_host(plugin: str) -> None:
    """What is built from it tomorrow is what was tested today, from whatever index the user has."""
    text = (LOCKS / f"{plugin}.txt").read_text(encoding="utf-8")
    requirements = re.findall(r"^\S.*?(?:\\\n.*?)*$", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), re.MULTILINE)
    assert len(requirements) == len(locked(plugin))
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert "://" not in text
