"""Mistakes in the fields: columns, how values compare and flow, each with the whole answer to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import ConfigError
from tests.config.example import loaded

MISTAKES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "a field without a side": (
        [("{crm: code, warehouse: code}", "{crm: code}")],
        [("sync.yml:53: entities.company.fields.code: lacks 'warehouse'; required: crm, warehouse")],
    ),
    "a misspelt option": (
        [("policy: park}", "polcy: park}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.polcy: found an unknown key 'polcy'; "
                "allowed: crm, warehouse, policy, type, normalize, values, separator, direction, "
                "empty, transform, sensitive; did you mean 'policy'?"
            )
        ],
    ),
    "a transform of a field that flows both ways": (
        [("normalize: [{e164: US}], policy: park", "transform: sha256")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.transform: what it makes cannot be turned back, so that "
                "the field can flow one way only; required: `direction: {from: crm, to: warehouse}` or the "
                "other way round"
            )
        ],
    ),
    "a transform of a picklist": (
        [("empty: keep}", "transform: sha256, values: {crm: {a: b}}}")],
        [
            (
                "sync.yml:41: entities.contact.fields.opened.transform: found together with `values`; "
                "allowed: one of the two"
            )
        ],
    ),
    "an unknown step": (
        [("empty: keep}", "transform: md5}")],
        [
            (
                "sync.yml:41: entities.contact.fields.opened.transform: found 'md5'; allowed: sha256, month, date, "
                "{decimal: …}, {template: …}"
            )
        ],
    ),
    "a template without a place": (
        [("empty: keep}", "transform: [month, {template: born}]}")],
        [
            (
                "sync.yml:41: entities.contact.fields.opened.transform[1].template: found 'born'; "
                "allowed: a text with {value} where the value is to stand"
            )
        ],
    ),
    "edits that nobody knows": (
        [("to: warehouse}, empty: keep}", "to: warehouse, edits: keep}}")],
        [("sync.yml:41: entities.contact.fields.opened.direction.edits: found 'keep'; allowed: revert, ignore")],
    ),
    "a column that is a number": (
        [("      city: city", "      city: 7")],
        [
            (
                "sync.yml:35: entities.contact.fields.city: found the number 7; allowed: a column's "
                "name, a map of columns and options; if it is meant as text, quote it"
            )
        ],
    ),
    "a column that is a boolean": (
        [("crm: tags", "crm: true")],
        [
            (
                "sync.yml:39: entities.contact.fields.tags.crm: found the boolean true; allowed: a "
                "column's name; if it is meant as text, quote it"
            )
        ],
    ),
    "an unknown type": (
        [("type: number", "type: numeric")],
        [
            (
                "sync.yml:38: entities.contact.fields.score.type: found 'numeric'; allowed: text, "
                "number, boolean, datetime, date, list, json; did you mean 'number'?"
            )
        ],
    ),
    "an unknown normalizer": (
        [("[strip, lower]", "[strip, lowr]")],
        [
            (
                "sync.yml:33: entities.contact.fields.email.normalize[1]: found 'lowr'; allowed: "
                "strip, lower, upper, collapse, digits, e164, {e164: …}; did you mean 'lower'?"
            )
        ],
    ),
    "a normalizer with a needless argument": (
        [("[strip, lower]", "[strip, {lower: it}]")],
        [
            (
                "sync.yml:33: entities.contact.fields.email.normalize[1].lower: found an unknown key "
                "'lower'; allowed: e164"
            )
        ],
    ),
    "an unknown region": (
        [("e164: US", "e164: USA")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.normalize[0].e164: found 'USA'; allowed: "
                "a region of two capital letters such as US or NO; did you mean 'US'?"
            )
        ],
    ),
    "values of an unknown side": (
        [("values: {crm:", "values: {crn:")],
        [
            (
                "sync.yml:40: entities.contact.fields.stage.values.crn: found an unknown key 'crn'; "
                "allowed: crm, warehouse; did you mean 'crm'?"
            )
        ],
    ),
    "a picklist value that is a number": (
        [("mql: marketing", "mql: 3")],
        [
            (
                "sync.yml:40: entities.contact.fields.stage.values.crm.mql: found the number 3; "
                "allowed: text; if it is meant as text, quote it"
            )
        ],
    ),
    "values not one-to-one": (
        [("mql: marketing", "mql: marketing, sql: marketing")],
        [
            (
                "sync.yml:40: entities.contact.fields.stage.values.crm.sql: found 'marketing' for "
                "both 'mql' and 'sql'; allowed: a value for one name only"
            )
        ],
    ),
    "values that collide with a name": (
        [("{mql: marketing}}", "{mql: sql}, warehouse: {sql: Sales}}")],
        [
            (
                "sync.yml:40: entities.contact.fields.stage.values.crm.mql: found 'sql' for both "
                "'mql' and 'sql'; allowed: a value for one name only"
            )
        ],
    ),
    "direction from an unknown side": (
        [("from: crm, to: warehouse", "from: crn, to: warehouse")],
        [
            (
                "sync.yml:41: entities.contact.fields.opened.direction.from: found 'crn'; allowed: "
                "crm, warehouse; did you mean 'crm'?"
            )
        ],
    ),
    "direction to the same side": (
        [("from: crm, to: warehouse", "from: crm, to: crm")],
        [
            (
                "sync.yml:41: entities.contact.fields.opened.direction: found crm at both ends; "
                "allowed: {from: crm, to: warehouse}, {from: warehouse, to: crm}"
            )
        ],
    ),
    "an unknown empty": (
        [("empty: keep", "empty: drop")],
        [("sync.yml:41: entities.contact.fields.opened.empty: found 'drop'; allowed: clear, keep")],
    ),
    "sensitive that is no boolean": (
        [("sensitive: true", "sensitive: yes")],
        [("sync.yml:34: entities.contact.fields.last_name.sensitive: found 'yes'; allowed: true, false")],
    ),
    "a column twice": (
        [("{crm: street, warehouse: street,", "{crm: city, warehouse: street,")],
        [
            (
                "sync.yml:36: entities.contact.fields.street.crm: found the column 'city' of crm, "
                "which city holds already; allowed: one field per column"
            )
        ],
    ),
    "a column of a shorthand twice": (
        [("      city: city", "      city: email")],
        [
            (
                "sync.yml:35: entities.contact.fields.city: found the column 'email' of crm, which "
                "email holds already; allowed: one field per column"
            ),
            (
                "sync.yml:35: entities.contact.fields.city: found the column 'email' of warehouse, "
                "which email holds already; allowed: one field per column"
            ),
        ],
    ),
    "a column in two entities": (
        [("stream: companies", "stream: contacts"), ("crm: name, warehouse: name", "crm: email, warehouse: name")],
        [
            (
                "sync.yml:51: entities.company.fields.name: found the column 'email' of contacts on "
                "crm, which entities.contact.fields.email holds already; allowed: one entity per "
                "column that is written"
            )
        ],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_place_what_was_found_and_what_is_allowed(mistake: str, tmp_path: Path) -> None:
    changes, lines = MISTAKES[mistake]
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, *changes)
    assert error.value.message.splitlines() == lines
