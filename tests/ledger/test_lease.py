"""One run at a time, and none while a killed run's plugins are still at work."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from antiphon.errors import LedgerBusy, LedgerError
from antiphon.ledger import lease
from tests.ledger.processes import python

HOLDER = """
import sys
from pathlib import Path
from antiphon.ledger.lease import hold
with hold(Path(sys.argv[1]), wait=5, who="antiphon run contacts"):
    print("held", flush=True)
    sys.stdin.readline()
"""
RUNNER_WITH_PLUGIN = """
import subprocess, sys
from pathlib import Path
from antiphon.ledger.lease import hold
with hold(Path(sys.argv[1]), wait=5, who="antiphon run contacts") as lock:
    plugin = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.readline()"], pass_fds=[lock])
    print(plugin.pid, flush=True)
    plugin.wait()
"""
COUNTER = """
import sys, time
from pathlib import Path
from antiphon.ledger.lease import hold
counter = Path(sys.argv[2])
for _ in range(10):
    with hold(Path(sys.argv[1]), wait=60, who="counter"):
        found = int(counter.read_text())
        time.sleep(0.002)
        counter.write_text(str(found + 1))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "ledger.db"


def test_the_lock_says_who_holds_it(path: Path) -> None:
    with lease.hold(path, wait=0, who="antiphon\nrun") as descriptor:
        assert not os.get_inheritable(descriptor)
        lines = path.with_name("ledger.db.lock").read_text().splitlines()
    assert lines[0] == f"pid: {os.getpid()}"
    assert lines[1].startswith("since: 20")
    assert lines[2] == "who: antiphon run"
    assert not path.exists()


def test_a_shorter_text_replaces_a_longer_one(path: Path) -> None:
    with lease.hold(path, wait=0, who="a very long command" * 20):
        pass
    with lease.hold(path, wait=0, who="short"):
        assert path.with_name("ledger.db.lock").read_text().endswith("\nwho: short\n")


def test_it_can_be_held_again_after_any_end(path: Path) -> None:
    with pytest.raises(ValueError, match="of the run"), lease.hold(path, wait=0, who="first"):
        raise ValueError("of the run")
    with lease.hold(path, wait=0, who="second"):
        pass


def test_another_run_is_named(path: Path) -> None:
    with python(HOLDER, path) as other:
        began = time.monotonic()
        expected = rf"another run is at work .*antiphon run contacts, process {other.pid}, since 20"
        with pytest.raises(LedgerBusy, match=expected), lease.hold(path, wait=0.2, who="me"):
            pass
        assert 0.2 <= time.monotonic() - began < 5
        assert path.with_name("ledger.db.lock").read_text().endswith("contacts\n")


def test_a_waiting_run_goes_on_when_the_other_ends(path: Path) -> None:
    with python(HOLDER, path) as other:
        other.communicate("end\n")
        with lease.hold(path, wait=5, who="me"):
            pass


def test_one_process_does_not_hold_it_twice(path: Path) -> None:
    with (
        lease.hold(path, wait=0, who="outer"),
        pytest.raises(LedgerBusy, match="outer"),
        lease.hold(path, wait=0, who="inner"),
    ):
        pass


def test_the_plugins_of_a_killed_run_keep_it_held(path: Path) -> None:
    with python(RUNNER_WITH_PLUGIN, path) as runner:
        runner.kill()
        runner.wait()
        with (
            pytest.raises(LedgerBusy, match=r"is gone .*plugins that it started"),
            lease.hold(path, wait=0.2, who="me"),
        ):
            pass
        assert runner.stdin is not None
        runner.stdin.close()  # the plugin reads the end of its input, and ends
        with lease.hold(path, wait=10, who="me"):
            pass


def test_a_killed_run_without_plugins_frees_it(path: Path) -> None:
    with python(HOLDER, path) as runner:
        runner.kill()
        runner.wait()
        with lease.hold(path, wait=5, who="me"):
            pass


def test_of_many_that_race_one_holds_it(path: Path, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    racers = [subprocess.Popen([sys.executable, "-c", COUNTER, path, counter]) for _ in range(4)]
    assert [racer.wait(60) for racer in racers] == [0, 0, 0, 0]
    assert counter.read_text() == "40"


@pytest.mark.parametrize("text", [b"", b"\xff\xfe nonsense", b"pid: 99999999999999999999\nsince: x\n", b"pid: -1\n"])
def test_a_lock_with_any_text_is_still_explained(path: Path, text: bytes) -> None:
    with lease.hold(path, wait=0, who="outer"):
        path.with_name("ledger.db.lock").write_bytes(text)
        with pytest.raises(LedgerBusy), lease.hold(path, wait=0, who="inner"):
            pass


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(LedgerError, match="cannot be locked") as caught,
        lease.hold(tmp_path / "file/l", wait=0, who="x"),
    ):
        pass
    assert "folder" in caught.value.hint


def test_a_system_without_such_locks_is_explained(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "fcntl", None)
    with pytest.raises(LedgerError, match="no file locks"), lease.hold(path, wait=0, who="x"):
        pass
    assert not path.parent.exists()


def test_a_file_system_without_locks_is_explained(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(LedgerError, match="not supported"), lease.hold(path, wait=0, who="x"):
        pass
