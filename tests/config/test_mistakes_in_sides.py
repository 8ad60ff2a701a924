"""Mistakes in the sides, their programs and the ledger, each with the whole answer to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import ConfigError
from tests.config.example import loaded

MISTAKES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "three sides": (
        [("entities:\n", "  third: {tap: {command: x}}\nentities:\n")],
        ["sync.yml:3: sides: found 3 sides (crm, warehouse, third); allowed: exactly two"],
    ),
    "a side name with a space": (
        [("  warehouse:\n    tap", "  my warehouse:\n    tap")],
        [
            (
                "sync.yml:8: sides.my warehouse: found the side name 'my warehouse'; allowed: a name "
                "of letters, digits, - and _"
            )
        ],
    ),
    "a side without a tap": (
        [('    tap: {command: tap-sql, env: {PGHOST: "${DB_HOST}"}}\n', "")],
        ["sync.yml:8: sides.warehouse: lacks 'tap'; required: tap"],
    ),
    "a tap without a command": (
        [("{command: tap-sql, ", "{")],
        [
            (
                "sync.yml:9: sides.warehouse.tap: lacks 'command': the program to run, or 'meltano': the plugin of a "
                "Meltano project"
            )
        ],
    ),
    "a command and a plugin of Meltano": (
        [("command: target-sql", "command: target-sql, meltano: target-sql")],
        ["sync.yml:10: sides.warehouse.target: has both 'command' and 'meltano'; allowed: one of them"],
    ),
    "an empty command": (
        [("[target-hubspot]", "[]")],
        ["sync.yml:7: sides.crm.target.command: is empty; allowed: a list of words"],
    ),
    "a command with an open quote": (
        [("tap-hubspot --strict", "tap-hubspot 'x")],
        [
            (
                'sync.yml:6: sides.crm.tap.command: found "tap-hubspot \'x", which cannot be split '
                "into words: no closing quotation"
            )
        ],
    ),
    "an unset variable": (
        [("$HUBSPOT_TOKEN", "$HUBSPOT_TOKN")],
        [
            (
                "sync.yml:5: sides.crm.config.access_token: the environment variable HUBSPOT_TOKN is "
                "not set; did you mean 'HUBSPOT_TOKEN'?; `$$` stands for a dollar"
            )
        ],
    ),
    "a lone dollar": (
        [("costs $$5", "costs $5")],
        [
            (
                "sync.yml:10: sides.warehouse.target.config.note: found a `$` that names no "
                "variable; allowed: $NAME, ${NAME}, or $$ for a dollar"
            )
        ],
    ),
    "a number in env": (
        [('"${DB_HOST}"', "5432")],
        [
            (
                "sync.yml:9: sides.warehouse.tap.env.PGHOST: found a number; allowed: text; if it is "
                "meant as text, quote it"
            )
        ],
    ),
    "an unknown time zone": (
        [("Europe/Rome", "Europe/Roma")],
        [
            (
                "sync.yml:11: sides.warehouse.timezone: found 'Europe/Roma'; allowed: an IANA time "
                "zone such as Europe/Rome or UTC; did you mean 'Europe/Rome'?"
            )
        ],
    ),
    "an unknown right": (
        [("[create, update]", "[create, updat]")],
        [
            (
                "sync.yml:12: sides.warehouse.allow[1]: found 'updat'; allowed: create, update, "
                "delete; did you mean 'update'?"
            )
        ],
    ),
    "a MySQL ledger": (
        [("sqlite:///state/ledger.db", "mysql://me:$HUBSPOT_TOKEN@h/db")],
        [
            (
                "sync.yml:2: ledger: found a mysql database, which is not available in this "
                "version; allowed: sqlite:///.antiphon/ledger.db, postgresql+psycopg://user:$PASSWORD@host/database"
            )
        ],
    ),
    "a ledger in memory": (
        [("sqlite:///state/ledger.db", '"sqlite://"')],
        [
            (
                "sync.yml:2: ledger: found a database in memory, which would forget; allowed: a "
                "file, such as sqlite:///.antiphon/ledger.db"
            )
        ],
    ),
    "a ledger that is no URL": (
        [("sqlite:///state/ledger.db", "ledger.db")],
        [("sync.yml:2: ledger: found no database URL; allowed: one such as sqlite:///.antiphon/ledger.db")],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_place_what_was_found_and_what_is_allowed(mistake: str, tmp_path: Path) -> None:
    changes, lines = MISTAKES[mistake]
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, *changes)
    assert error.value.message.splitlines() == lines
