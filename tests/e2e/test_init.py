"""`antiphon init` on two real databases behind foreign plugins: what it proposes runs as it stands."""

from __future__ import annotations

import json

import pytest

from tests.e2e.small import make_small
from tests.e2e.world import SIDES, World, plugin

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("e2e-init")]

PEOPLE = 20
TARGET = {"default_target_schema": "public", "add_record_metadata": False, "activate_version": False}


def test_two_databases_are_one_sync_after_one_command(world: World) -> None:
    make_small(world, PEOPLE)
    words = []
    for side in SIDES:
        settings = {**world.settings(side), "password": "$SYNC_PASSWORD"}
        for name, content in (
            (side, settings),
            (f"{side}.tap", {"filter_schemas": ["public"]}),
            (f"{side}.target", TARGET),
        ):
            (world.folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
            words += ["--config", f"{name}={name}.json"]
        words += ["--tap", f"{side}={plugin('tap-postgres')}", "--target", f"{side}={plugin('target-postgres')}"]
    world.antiphon("init", *words)
    text = (world.folder / "sync.yml").read_text(encoding="utf-8")
    assert "contact:" in text
    assert "only-rows" not in text
    world.sql("crm", "update contacts set city = 'Turin' where id = 'crm-003'")
    world.antiphon("sync")
    world.sql("crm", "update contacts set city = 'Bari' where id = 'crm-004'")
    world.antiphon("sync")
    assert world.sql("warehouse", "select city from contacts where id = 'warehouse-004'") == [("Bari",)]
    assert world.number("warehouse", "select count(*) from contacts") == PEOPLE
