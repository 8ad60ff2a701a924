from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.config import Replication, load
from antiphon.config.shape import reserved
from antiphon.errors import ConfigError
from antiphon.mapping import Derived, Guards, Latest, Limit, NonEmpty, OnDelete, Owner, Park, SetUnion
from antiphon.model import OpKind
from tests.config.example import loaded

MINUTE = 60_000_000


def test_the_plugins_are_started_as_the_file_says(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    crm, warehouse = config.sides["crm"], config.sides["warehouse"]
    assert crm.tap.command == ("tap-hubspot", "--strict")
    assert crm.tap.config == {"access_token": "s3cret", "portal": 8}
    assert crm.target is not None
    assert crm.target.config == {"access_token": "s3cret", "portal": 7}
    assert crm.target.receipts_path == tmp_path / "out/receipts.jsonl"
    assert warehouse.tap.env == {"PGHOST": "db.example"}
    assert warehouse.target is not None
    assert warehouse.target.config == {"note": "costs $5"}
    assert (crm.timezone, warehouse.timezone) == ("UTC", "Europe/Rome")
    assert warehouse.allow == {OpKind.CREATE, OpKind.UPDATE}


def test_streams_say_how_they_are_read(tmp_path: Path) -> None:
    streams = loaded(tmp_path).entities["contact"].sides
    assert (streams["crm"].replication, streams["crm"].full_read) == (Replication.FULL, None)
    assert streams["warehouse"].replication is Replication.INCREMENTAL
    assert streams["warehouse"].replication_key == "updated_at"
    assert (streams["warehouse"].full_read, streams["warehouse"].overlap) == (24 * 60 * MINUTE, 5 * MINUTE)
    assert streams["crm"].overlap == MINUTE
    assert (streams["crm"].on_delete, streams["warehouse"].on_delete) == (OnDelete.DELETE, OnDelete.PARK)


def test_a_replication_key_alone_makes_a_read_incremental(tmp_path: Path) -> None:
    stream = loaded(tmp_path, ("        replication: incremental\n", "")).entities["contact"].sides["warehouse"]
    assert stream.replication is Replication.INCREMENTAL


@pytest.mark.parametrize(("word", "method"), [("diff", "DIFF"), ("log", "LOG_BASED")])
def test_changes_and_deletions_are_read_by_diff_or_by_the_log(word: str, method: str, tmp_path: Path) -> None:
    changes = (
        ("replication: incremental", f"replication: {word}"),
        ("        replication_key: updated_at\n", ""),
        ("        overlap: 5m\n", ""),
    )
    stream = loaded(tmp_path, *changes).entities["contact"].sides["warehouse"]
    assert (stream.replication.method, stream.full_read) == (method, 24 * 60 * MINUTE)
    assert stream.replication.tells_deletions


def test_key_columns_that_are_all_mapped_name_new_records(tmp_path: Path) -> None:
    streams = loaded(tmp_path).entities["company"].sides
    assert streams["warehouse"].key_rule == Derived()


def test_a_field_that_flows_away_names_no_new_record(tmp_path: Path) -> None:
    change = ("warehouse: code}", "warehouse: code, direction: {from: warehouse, to: crm}}")
    assert loaded(tmp_path, change).entities["company"].sides["warehouse"].key_rule is None


def test_on_create_key_says_so_by_name(tmp_path: Path) -> None:
    change = ("key: [country, code]", "key: [country, code], on_create: key, allow: [create, delete]")
    stream = loaded(tmp_path, change).entities["company"].sides["warehouse"]
    assert stream.key_rule == Derived()
    assert stream.allow == {OpKind.CREATE}


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("{owner: crm}", Owner("crm")),
        ("{latest: {else: warehouse}}", Latest(Owner("warehouse"))),
        ("{latest: {else: park}}", Latest(Park())),
        ("latest", Latest(Park())),
        ("nonempty", NonEmpty()),
        ("set", SetUnion()),
        ("park", Park()),
    ],
)
def test_policies(written: str, policy: object, tmp_path: Path) -> None:
    config = loaded(tmp_path, ("normalize: [{e164: US}], policy: park", f"policy: {written}"))
    assert config.entities["contact"].fields["phone"].policy == policy
    assert config.entities["contact"].fields["email"].policy == Latest(Owner("crm"))
    assert config.entities["company"].fields["name"].policy == Park()


@pytest.mark.parametrize(
    ("written", "initial"), [("{prefer: warehouse}", Owner("warehouse")), ("nonempty", NonEmpty()), ("park", Park())]
)
def test_initial(written: str, initial: object, tmp_path: Path) -> None:
    assert loaded(tmp_path, ("{prefer: crm}", written)).entities["contact"].initial == initial


@pytest.mark.parametrize(
    ("written", "limit"),
    [("7", Limit(count=7)), ("'7'", Limit(count=7)), ("12.5%", Limit(percent=12.5)), ("5% or 50", Limit(5.0, 50))],
)
def test_guards(written: str, limit: Limit, tmp_path: Path) -> None:
    assert loaded(tmp_path, ("1000", written)).guards == Guards(max_create=limit)


@pytest.mark.parametrize(
    ("written", "minutes"), [("60s", 1), ("every 2h", 120), ("1d", 24 * 60), ("2w", 14 * 24 * 60), ("every  3 m", 3)]
)
def test_durations(written: str, minutes: int, tmp_path: Path) -> None:
    stream = loaded(tmp_path, ("overlap: 5m", f"overlap: {written}")).entities["contact"].sides["warehouse"]
    assert stream.overlap == minutes * MINUTE


def test_the_ledger_is_beside_the_file(tmp_path: Path) -> None:
    assert loaded(tmp_path).ledger == f"sqlite:///{tmp_path}/state/ledger.db"
    assert (
        loaded(tmp_path, ("ledger: sqlite:///state/ledger.db\n", "")).ledger
        == f"sqlite:///{tmp_path}/.antiphon/ledger.db"
    )
    assert loaded(tmp_path, ("sqlite:///state", "sqlite:////var/sync")).ledger == "sqlite:////var/sync/ledger.db"


def test_files_and_programs_named_by_a_path_are_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text("{}")
    tap = (
        loaded(tmp_path, ("command: tap-sql,", "command: bin/tap-sql -x, catalog: catalog.json,"))
        .sides["warehouse"]
        .tap
    )
    assert tap.command == (str(tmp_path / "bin/tap-sql"), "-x")
    assert tap.catalog == tmp_path / "catalog.json"


def test_norway_is_a_country(tmp_path: Path) -> None:
    config = loaded(tmp_path, ("e164: US", "e164: NO"), ("mql: marketing", "mql: no"))
    assert config.entities["contact"].fields["phone"].normalize == (("e164", "NO"),)
    assert config.entities["contact"].fields["stage"].picklist == {"crm": {"mql": "no"}}


def test_anchors_and_merged_maps_are_lawful(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        ("phone: {crm", "phone: &phone {crm"),
        ("      tags:", "      fax: {<<: *phone, crm: fax, warehouse: fax}\n      tags:"),
    )
    assert config.entities["contact"].fields["fax"].normalize == (("e164", "US"),)
    assert config.entities["contact"].fields["fax"].columns == {"crm": "fax", "warehouse": "fax"}


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    assert "s3cret" not in repr(loaded(tmp_path))
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, ("sqlite:///state/ledger.db", "mysql://me:$HUBSPOT_TOKEN@host/db"), ("portal: 7", "7: 7"))
    assert "s3cret" not in error.value.message


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, ("{prefer: crm}", "newest"), ("$HUBSPOT_TOKEN", "$TOKEN"), ("[name]", "[nme]"), ("1000", "-1"))
    lines = [line.split(": ")[0] for line in error.value.message.splitlines()]
    assert lines == ["sync.yml:5", "sync.yml:29", "sync.yml:49", "sync.yml:54"]
    assert error.value.exit_code == 64
    assert "antiphon lint" in error.value.hint


def test_a_missing_file_is_answered_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file") as error:
        load(tmp_path / "sync.yml", {})
    assert "antiphon init" in error.value.hint


def test_a_missing_catalog_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, ("command: tap-sql,", "command: tap-sql, catalog: catalog.json,"))
    assert error.value.message == (
        f"sync.yml:9: sides.warehouse.tap.catalog: found 'catalog.json'; there is no such file in {tmp_path}"
    )


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", "the file is empty"),
        ("# nothing but a comment\n", "the file is empty"),
        ("- a\n- b\n", "found a list or a single value"),
        ("{}", "lacks 'name'"),
    ],
)
def test_a_file_with_nothing_in_it(text: str, answer: str, tmp_path: Path) -> None:
    path = tmp_path / "sync.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=answer):
        load(path, {})


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "sync.yml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(path, {})


@pytest.mark.parametrize("word", ["owner", "else", "archive", "prefer", "from", "to", "park", "uuid"])
def test_a_side_is_not_named_by_an_option_word(word: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, ("  crm:\n    config", f"  {word}:\n    config"))
    assert error.value.message == (
        f"sync.yml:4: sides.{word}: found the side name {word!r}, which is a word of this file; "
        f"reserved: {', '.join(sorted(reserved()))}"
    )


def test_a_key_path_finds_its_line_or_that_of_what_is_around_it(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert config.locate("entities.contact.fields.email") == "sync.yml:33: entities.contact.fields.email"
    assert config.line("entities.contact.fields.city.crm") == 35
    assert config.line("entities.contact.match[1][1]") == 28
    assert config.line("nowhere") == 1
