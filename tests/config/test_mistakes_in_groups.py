"""Mistakes in groups, references and guards, each with the whole answer to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import ConfigError
from tests.config.example import loaded

MISTAKES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "a group with an unknown field": (
        [("[street, city]", "[street, citty]")],
        [
            (
                "sync.yml:42: entities.contact.groups.address[1]: found 'citty'; allowed: a field, "
                "one of email, last_name, city, street, phone, score, tags, stage, opened; did you "
                "mean 'city'?"
            )
        ],
    ),
    "a field in two groups": (
        [("[street, city]}", "[street, city], place: [city, score]}")],
        [
            (
                "sync.yml:42: entities.contact.groups.place[0]: found 'city', which is in the group "
                "address already; allowed: one group per field"
            ),
            (
                "sync.yml:42: entities.contact.groups.place[1]: found 'score', whose `policy` is not "
                "that of city; allowed: one `policy` for the whole group place"
            ),
        ],
    ),
    "a group with two policies": (
        [("[street, city]", "[street, phone]")],
        [
            (
                "sync.yml:42: entities.contact.groups.address[1]: found 'phone', whose `policy` is "
                "not that of street; allowed: one `policy` for the whole group address"
            )
        ],
    ),
    "a group with two ways": (
        [("[street, city]", "[street, opened]")],
        [
            (
                "sync.yml:42: entities.contact.groups.address[1]: found 'opened', whose `direction` "
                "is not that of street; allowed: one `direction` for the whole group address"
            ),
            (
                "sync.yml:42: entities.contact.groups.address[1]: found 'opened', whose `empty` is "
                "not that of street; allowed: one `empty` for the whole group address"
            ),
        ],
    ),
    "a group with a set": (
        [("[street, city]", "[tags, city]")],
        [
            (
                "sync.yml:42: entities.contact.groups.address[0]: found 'tags', whose policy weighs single values; "
                "allowed: owner, latest, nonempty, park, by which fields move as a whole"
            )
        ],
    ),
    "an empty group": (
        [("[street, city]", "[]")],
        ["sync.yml:42: entities.contact.groups.address: is empty; allowed: a list"],
    ),
    "a reference to an unknown entity": (
        [("entity: company", "entity: compani")],
        [
            (
                "sync.yml:44: entities.contact.references.company.entity: found 'compani'; allowed: "
                "contact, company; did you mean 'company'?"
            )
        ],
    ),
    "a reference without an entity": (
        [(", entity: company", "")],
        [("sync.yml:44: entities.contact.references.company: lacks 'entity'; required: crm, warehouse, entity")],
    ),
    "a reference named as a field": (
        [("      company: {crm", "      city: {crm")],
        [
            (
                "sync.yml:44: entities.contact.references.city: found 'city', which is a field "
                "already; allowed: a name of its own"
            )
        ],
    ),
    "a reference that is a set": (
        [("entity: company", "entity: company, policy: set")],
        [
            (
                "sync.yml:44: entities.contact.references.company.policy: found 'set'; a reference "
                "names one record; allowed: {owner: …}, latest, {latest: …}, park, nonempty"
            )
        ],
    ),
    "a reference under an entity of sets": (
        [("policy: {latest: {else: crm}}", "policy: set"), ("    groups: {address: [street, city]}\n", "")],
        [
            (
                "sync.yml:43: entities.contact.references.company.policy: has no policy of its own, "
                "and the entity's is 'set'; a reference names one record; allowed: {owner: …}, "
                "latest, {latest: …}, park, nonempty"
            )
        ],
    ),
    "no fields": (
        [
            (
                (
                    "    match: [name]\n    fields:\n      name: {crm: name, warehouse: name}\n      "
                    "country: {crm: country, warehouse: country, normalize: [upper]}\n      code: {crm: "
                    "code, warehouse: code}\n"
                ),
                "",
            )
        ],
        ["sync.yml:45: entities.company: lacks 'fields': there is nothing to keep equal"],
    ),
    "fields that are nothing": (
        [
            (
                (
                    "      name: {crm: name, warehouse: name}\n      country: {crm: country, warehouse: "
                    "country, normalize: [upper]}\n      code: {crm: code, warehouse: code}\n"
                ),
                "",
            ),
            ("    match: [name]\n", ""),
        ],
        ["sync.yml:49: entities.company.fields: found nothing; allowed: a map"],
    ),
    "an unknown guard": (
        [("max_delete", "max_deletes")],
        [
            (
                "sync.yml:54: guards.max_deletes: found an unknown key 'max_deletes'; allowed: "
                "max_delete, max_change, max_create; did you mean 'max_delete'?"
            )
        ],
    ),
    "a guard of words": (
        [("5% or 50", "a few")],
        [("sync.yml:54: guards.max_delete: found 'a few'; allowed: a limit such as 1000 or 50% or 5% or 50")],
    ),
    "a guard below zero": (
        [("1000", "-1")],
        ["sync.yml:54: guards.max_create: found the number -1; allowed: 0 or more"],
    ),
    "a guard with a fraction": (
        [("1000", "10.5")],
        [
            (
                "sync.yml:54: guards.max_create: found the number 10.5; allowed: a whole number, a "
                "limit such as 1000 or 50% or 5% or 50"
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
