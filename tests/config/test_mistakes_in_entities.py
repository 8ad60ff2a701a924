"""Mistakes in the entities: streams, keys, reading, matching, each with the whole answer to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import ConfigError
from tests.config.example import loaded

MISTAKES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "an entity name with a space": (
        [("  company:\n", "  my company:\n"), ("entity: company", "entity: my company")],
        [
            (
                "sync.yml:45: entities.my company: found the entity name 'my company'; allowed: a "
                "name of letters, digits and _"
            )
        ],
    ),
    "a side is missing": (
        [("      crm: {stream: companies, key: id, on_create: assigned}\n", "")],
        ["sync.yml:46: entities.company.sides: lacks 'crm'; required: crm, warehouse"],
    ),
    "an unknown side in sides": (
        [("      crm: {stream: companies", "      crn: {stream: companies")],
        [
            (
                "sync.yml:47: entities.company.sides.crn: found an unknown key 'crn'; allowed: crm, "
                "warehouse; did you mean 'crm'?"
            )
        ],
    ),
    "the stream is missing": (
        [("        stream: contacts\n", "")],
        ["sync.yml:16: entities.contact.sides.crm: lacks 'stream'; required: stream, key"],
    ),
    "the stream is a number": (
        [("stream: contacts", "stream: 12")],
        [
            (
                "sync.yml:17: entities.contact.sides.crm.stream: found the number 12; allowed: text; "
                "if it is meant as text, quote it"
            )
        ],
    ),
    "the stream is a boolean": (
        [("stream: contacts", "stream: true")],
        [
            (
                "sync.yml:17: entities.contact.sides.crm.stream: found the boolean true; allowed: "
                "text; if it is meant as text, quote it"
            )
        ],
    ),
    "the stream is empty": (
        [("stream: contacts", 'stream: ""')],
        ["sync.yml:17: entities.contact.sides.crm.stream: is empty; allowed: text"],
    ),
    "the key is empty": (
        [("key: [country, code]", "key: []")],
        [("sync.yml:48: entities.company.sides.warehouse.key: is empty; allowed: a list of columns")],
    ),
    "the key is a map": (
        [("key: [country, code]", "key: {a: b}")],
        [
            (
                "sync.yml:48: entities.company.sides.warehouse.key: found a map; allowed: a column's "
                "name, a list of columns"
            )
        ],
    ),
    "a key column twice": (
        [("key: [country, code]", "key: [country, country]")],
        ["sync.yml:48: entities.company.sides.warehouse.key: names something twice"],
    ),
    "an unknown on_create": (
        [("on_create: uuid", "on_create: uid")],
        [
            (
                "sync.yml:23: entities.contact.sides.warehouse.on_create: found 'uid'; allowed: "
                "assigned, uuid, key, {from: …}; did you mean 'uuid'?"
            )
        ],
    ),
    "on_create from itself": (
        [("on_create: uuid", "on_create: {from: warehouse}")],
        [
            (
                "sync.yml:23: entities.contact.sides.warehouse.on_create.from: found 'warehouse', "
                "which is this side; allowed: crm"
            )
        ],
    ),
    "on_create from an unknown side": (
        [("on_create: uuid", "on_create: {from: crn}")],
        [
            (
                "sync.yml:23: entities.contact.sides.warehouse.on_create.from: found 'crn'; allowed: "
                "crm, warehouse; did you mean 'crm'?"
            )
        ],
    ),
    "on_create key without its fields": (
        [("on_create: uuid", "on_create: key")],
        [
            (
                "sync.yml:23: entities.contact.sides.warehouse.on_create: found 'key', but no field "
                "or reference brings the key column 'contact_id' to warehouse; allowed: assigned, "
                "uuid, {from: …}"
            )
        ],
    ),
    "an unknown replication": (
        [("replication: incremental", "replication: incremetal")],
        [
            (
                "sync.yml:24: entities.contact.sides.warehouse.replication: found 'incremetal'; "
                "allowed: full, incremental, diff, log; did you mean 'incremental'?"
            )
        ],
    ),
    "a replication key of a full read": (
        [
            ("replication: incremental", "replication: full"),
            ("        full_read: every 24h\n        overlap: 5m\n", ""),
        ],
        [
            (
                "sync.yml:25: entities.contact.sides.warehouse.replication_key: found 'updated_at', "
                "but the stream is read in full; allowed: with replication: incremental"
            )
        ],
    ),
    "a full read of what is always read in full": (
        [
            ("replication: incremental", "replication: full"),
            ("        replication_key: updated_at\n", ""),
            ("        overlap: 5m\n", ""),
        ],
        [
            (
                "sync.yml:25: entities.contact.sides.warehouse.full_read: found 'every 24h', "
                "but the stream is read in full; allowed: with replication: incremental or diff or log"
            )
        ],
    ),
    "a replication key and an overlap of a read by the log": (
        [("replication: incremental", "replication: log")],
        [
            (
                "sync.yml:25: entities.contact.sides.warehouse.replication_key: found 'updated_at', "
                "but replication: log follows no column; allowed: with replication: incremental"
            ),
            (
                "sync.yml:27: entities.contact.sides.warehouse.overlap: found '5m', "
                "but replication: log follows no column; allowed: with replication: incremental"
            ),
        ],
    ),
    "a duration without a unit": (
        [("overlap: 5m", "overlap: 5")],
        [
            (
                "sync.yml:27: entities.contact.sides.warehouse.overlap: found the number 5; allowed: "
                "a duration such as 30s or 5m or 24h or 7d"
            )
        ],
    ),
    "a duration of an unknown unit": (
        [("every 24h", "every day")],
        [
            (
                "sync.yml:26: entities.contact.sides.warehouse.full_read: found 'every day'; "
                "allowed: a duration such as every 24h or 7d"
            )
        ],
    ),
    "where": (
        [("overlap: 5m", "where: country = 'IT'")],
        [
            (
                "sync.yml:27: entities.contact.sides.warehouse.where: found \"country = 'IT'\", which "
                "is not available in this version"
            )
        ],
    ),
    "match on an unknown field": (
        [("[email, [last_name, phone]]", "[emial, [last_name, phone]]")],
        [
            (
                "sync.yml:28: entities.contact.match[0]: found 'emial'; allowed: a field, one of "
                "email, last_name, city, street, phone, score, tags, stage, opened; did you mean "
                "'email'?"
            )
        ],
    ),
    "match on an unknown field inside": (
        [("[last_name, phone]", "[last_name, phon]")],
        [
            (
                "sync.yml:28: entities.contact.match[1][1]: found 'phon'; allowed: a field, one of "
                "email, last_name, city, street, phone, score, tags, stage, opened; did you mean "
                "'phone'?"
            )
        ],
    ),
    "match on a reference": (
        [("[email, [last_name, phone]]", "[company]")],
        [
            (
                "sync.yml:28: entities.contact.match[0]: found the reference 'company'; allowed: a "
                "field, one of email, last_name, city, street, phone, score, tags, stage, opened"
            )
        ],
    ),
    "an empty match rule": (
        [("[email, [last_name, phone]]", "[[]]")],
        ["sync.yml:28: entities.contact.match[0]: is empty; allowed: a list of fields"],
    ),
    "match as a word": (
        [("[email, [last_name, phone]]", "email")],
        ["sync.yml:28: entities.contact.match: found 'email'; allowed: a list"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_place_what_was_found_and_what_is_allowed(mistake: str, tmp_path: Path) -> None:
    changes, lines = MISTAKES[mistake]
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, *changes)
    assert error.value.message.splitlines() == lines
