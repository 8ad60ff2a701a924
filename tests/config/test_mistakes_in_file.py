"""Mistakes in the file as a whole: its YAML, its keys, each with the whole answer to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import ConfigError
from tests.config.example import loaded

MISTAKES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "the name is missing": (
        [("name: crm-warehouse\n", "")],
        ["sync.yml:1: lacks 'name'; required: name, sides, entities"],
    ),
    "the name is a number": (
        [("name: crm-warehouse", "name: 12")],
        ["sync.yml:1: name: found the number 12; allowed: a name of letters, digits, - and _"],
    ),
    "the name has spaces": (
        [("name: crm-warehouse", "name: crm to warehouse")],
        [("sync.yml:1: name: found 'crm to warehouse'; allowed: a name of letters, digits, - and _")],
    ),
    "an unknown key": (
        [("guards:", "gaurds:")],
        [
            (
                "sync.yml:54: gaurds: found an unknown key 'gaurds'; allowed: name, ledger, sides, "
                "entities, guards; did you mean 'guards'?"
            )
        ],
    ),
    "alerts": (
        [("guards:", "alerts: [slack://x]\nguards:")],
        ["sync.yml:54: alerts: is not available in this version"],
    ),
    "a key is given twice": (
        [("name: crm-warehouse", "name: a\nname: b")],
        ["sync.yml:2: name: is given twice, first in line 1"],
    ),
    "a field is given twice": (
        [("      city: city\n", "      city: city\n      city: town\n")],
        ["sync.yml:36: entities.contact.fields.city: is given twice, first in line 35"],
    ),
    "a key that is no text": (
        [("      city: city", "      1: city")],
        [
            (
                "sync.yml:35: entities.contact.fields.1: found the key 1, which YAML does not read "
                "as text; quote it: '1'"
            ),
            (
                "sync.yml:42: entities.contact.groups.address[1]: found 'city'; allowed: a field, "
                "one of email, last_name, 1, street, phone, score, tags, stage, opened"
            ),
        ],
    ),
    "a tab": ([("    match:", "	match:")], ["sync.yml:28: this is no valid YAML: a tab cannot indent; use spaces"]),
    "no YAML": (
        [("[street, city]}", "[street, city}")],
        [("sync.yml:42: this is no valid YAML: while parsing a flow sequence expected ',' or ']', but got '}'")],
    ),
    "two documents": (
        [("guards:", "---\nguards:")],
        [("sync.yml:54: this is no valid YAML: expected a single document in the stream but found another document")],
    ),
    "a tag": (
        [("stream: contacts", "stream: !env contacts")],
        [("sync.yml:17: entities.contact.sides.crm.stream: found the tag !env; sync.yml has no tags")],
    ),
    "an alias of itself": (
        [("config: {access_token: $HUBSPOT_TOKEN, portal: 7}", "config: &a {x: *a}")],
        ["sync.yml:5: sides.crm.config.x: the alias contains itself"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_place_what_was_found_and_what_is_allowed(mistake: str, tmp_path: Path) -> None:
    changes, lines = MISTAKES[mistake]
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, *changes)
    assert error.value.message.splitlines() == lines
