"""tap-tryton and its targets as commands: what their user sees when something is not as it should be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tap_tryton.api import NotAuthorized, WrongSettings, connect
from tests.tryton.proxy import Fault, before
from tests.tryton.server import PASSWORD, Server

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tryton")]

BIN = Path(sys.executable).parent


def run(program: str, folder: Path, config: dict[str, Any], *words: str) -> tuple[int, str]:
    """Run a plugin: its exit code, and all that it said."""
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [str(BIN / program), "--config", str(path), *words], capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert PASSWORD not in said
    assert "wrong-secret" not in said
    return done.returncode, said


@pytest.mark.parametrize(
    ("program", "change", "code", "words"),
    [
        ("tap-tryton", {"models": ["party.nobody"]}, 1, "this Tryton has no model 'party.nobody'"),
        ("target-tryton", {"password": "wrong-secret"}, 1, "does not take the user 'sync' with this password"),
        ("target-tryton-rest", {}, 64, "target-tryton-rest needs `key`"),
    ],
)
def test_wrong_settings_are_one_clear_error(
    tryton: Server, tmp_path: Path, program: str, change: dict[str, Any], code: int, words: str
) -> None:
    asked = ["--discover"] if "models" in change else ["--check", "--streams", "party-party"]
    ended, said = run(program, tmp_path, {**tryton.settings(), **change}, *asked)
    assert words in said
    assert ended == code


def test_a_check_names_the_account_and_where_the_key_of_a_link_is_kept(tryton: Server, tmp_path: Path) -> None:
    config = tryton.settings(keys={"sale.opportunity": "nonsense"})
    streams = "party-party,party-category,sale-opportunity"
    ended, said = run("target-tryton", tmp_path, config, "--check", "--streams", streams)
    assert ended == 1
    assert "account: tryton:crm:20" in said
    assert "ok   party-party: party.party keeps the key of a link in identifiers.code" in said
    assert "FAIL party-category: party.category has no known place for the key of a link" in said
    assert "FAIL sale-opportunity: `keys.sale.opportunity`: sale.opportunity has no text field 'nonsense'" in said


def test_an_expired_session_is_renewed_and_a_short_outage_waited_out(tryton: Server) -> None:
    with before(tryton.url) as proxy:
        proxy.faults = [Fault("cut", "ir.lang"), Fault("expire", "fields_get")]
        there = connect({**tryton.settings(), "url": proxy.url}, lambda _seconds: None)
        assert there.account().startswith("tryton:crm:")
        assert "name" in there.model("party.party").fields
        assert sorted(proxy.met) == ["cut", "expire"]
        assert sum("common.db.login" in each for each in proxy.seen) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"database": "nowhere"}, "has no database 'nowhere'"),
        ({"username": None, "password": None, "key": "wrong-secret"}, "the key is not taken"),
        ({"url": "erp.example.com"}, "`url` is 'erp.example.com'"),
        ({"username": None}, "the settings do not say who logs in"),
    ],
)
def test_an_error_says_which_setting_is_wrong(tryton: Server, change: dict[str, Any], words: str) -> None:
    with pytest.raises(NotAuthorized) as error:
        connect({**tryton.settings(), **change}).account()
    assert words in str(error.value)
    assert error.value.wrong_settings == isinstance(error.value, WrongSettings)
