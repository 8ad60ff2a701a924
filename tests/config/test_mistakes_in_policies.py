"""Mistakes in policies: what settles conflicts, joins and deletions, each with the whole answer to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import ConfigError
from tests.config.example import loaded

MISTAKES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "an unknown initial side": (
        [("{prefer: crm}", "{prefer: crn}")],
        [("sync.yml:29: entities.contact.initial.prefer: found 'crn'; allowed: crm, warehouse; did you mean 'crm'?")],
    ),
    "an unknown initial": (
        [("{prefer: crm}", "newest")],
        [("sync.yml:29: entities.contact.initial: found 'newest'; allowed: nonempty, park, {prefer: …}")],
    ),
    "a misspelt initial": (
        [("{prefer: crm}", "{prefers: crm}")],
        [
            (
                "sync.yml:29: entities.contact.initial.prefers: found an unknown key 'prefers'; "
                "allowed: prefer; did you mean 'prefer'?"
            )
        ],
    ),
    "an unknown policy": (
        [("policy: park}", "policy: newest}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy: found 'newest'; allowed: latest, "
                "park, nonempty, set, counter, max, min, optout, {owner: …}, {latest: …}, {ladder: …}, {optout: …}, "
                "{python: …}"
            )
        ],
    ),
    "a misspelt policy": (
        [("policy: park}", "policy: {ownr: crm}}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy.ownr: found an unknown key "
                "'ownr'; allowed: owner, latest, ladder, optout, python; did you mean 'owner'?"
            )
        ],
    ),
    "owner without a side": (
        [("policy: park}", "policy: owner}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy: found 'owner'; allowed: latest, "
                "park, nonempty, set, counter, max, min, optout, {owner: …}, {latest: …}, {ladder: …}, {optout: …}, "
                "{python: …}; "
                "did you mean '{owner: …}'?"
            )
        ],
    ),
    "an unknown owner": (
        [("{owner: warehouse}", "{owner: warehous}")],
        [
            (
                "sync.yml:38: entities.contact.fields.score.policy.owner: found 'warehous'; allowed: "
                "crm, warehouse; did you mean 'warehouse'?"
            )
        ],
    ),
    "latest with an unknown side": (
        [("{else: crm}", "{else: crn}")],
        [
            (
                "sync.yml:30: entities.contact.policy.latest.else: found 'crn'; allowed: crm, "
                "warehouse, park; did you mean 'crm'?"
            )
        ],
    ),
    "a policy of two keys": (
        [("{owner: warehouse}", "{owner: warehouse, latest: {else: crm}}")],
        [("sync.yml:38: entities.contact.fields.score.policy: found 2 keys (owner, latest); allowed: one of them")],
    ),
    "an empty policy": (
        [("{owner: warehouse}", "{}")],
        [
            (
                "sync.yml:38: entities.contact.fields.score.policy: is empty; allowed: "
                "{owner: …}, {latest: …}, {ladder: …}, {optout: …}, {python: …}"
            )
        ],
    ),
    "a function in a module that is not there": (
        [("policy: park}", "policy: {python: my.module:settle}}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy.python: found 'my.module:settle', and there is no "
                "module 'my.module'; allowed: a module beside sync.yml, or one that is installed with Antiphon"
            )
        ],
    ),
    "a function that its module lacks": (
        [("policy: park}", "policy: {python: decimal:settle}}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy.python: found 'decimal:settle', "
                "and decimal has no function 'settle'"
            )
        ],
    ),
    "a function that takes something else": (
        [("policy: park}", "policy: {python: operator:add}}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy.python: found 'operator:add', "
                "and operator:add cannot be called with one argument, the question"
            )
        ],
    ),
    "a counter that is a reference": (
        [("entity: company}", "entity: company, policy: counter}")],
        [
            (
                "sync.yml:44: entities.contact.references.company.policy: found 'counter'; a reference names one "
                "record; allowed: {owner: …}, latest, {latest: …}, park, nonempty"
            )
        ],
    ),
    "an unknown on_delete": (
        [("{crm: delete}", "remove")],
        [("sync.yml:31: entities.contact.on_delete: found 'remove'; allowed: park, archive, delete, a map of sides")],
    ),
    "an unknown on_delete of a side": (
        [("{crm: delete}", "{crm: remove}")],
        [("sync.yml:31: entities.contact.on_delete.crm: found 'remove'; allowed: park, archive, delete")],
    ),
    "on_delete of an unknown side": (
        [("{crm: delete}", "{crn: delete}")],
        [
            (
                "sync.yml:31: entities.contact.on_delete.crn: found an unknown key 'crn'; allowed: "
                "crm, warehouse; did you mean 'crm'?"
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
