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
                "park, nonempty, set, max, min, optout, {owner: …}, {latest: …}, {ladder: …}, {optout: …}"
            )
        ],
    ),
    "a misspelt policy": (
        [("policy: park}", "policy: {ownr: crm}}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy.ownr: found an unknown key "
                "'ownr'; allowed: owner, latest, ladder, optout; did you mean 'owner'?"
            )
        ],
    ),
    "owner without a side": (
        [("policy: park}", "policy: owner}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy: found 'owner'; allowed: latest, "
                "park, nonempty, set, max, min, optout, {owner: …}, {latest: …}, {ladder: …}, {optout: …}; "
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
                "{owner: …}, {latest: …}, {ladder: …}, {optout: …}"
            )
        ],
    ),
    "policy counter": (
        [("policy: park}", "policy: counter}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy: found 'counter', which is not "
                "available in this version"
            )
        ],
    ),
    "policy {python: my.module:settle}": (
        [("policy: park}", "policy: {python: my.module:settle}}")],
        [
            (
                "sync.yml:37: entities.contact.fields.phone.policy.python: found 'my.module:settle', "
                "which is not available in this version"
            )
        ],
    ),
    "transform": (
        [("empty: keep}", "transform: sha256}")],
        [
            (
                "sync.yml:41: entities.contact.fields.opened.transform: found 'sha256', which is not "
                "available in this version"
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
