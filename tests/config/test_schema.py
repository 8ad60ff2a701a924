"""The schema knows the whole of sync.yml, also what this version does not do yet; `load` says what that is."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from antiphon.config import load, schema
from antiphon.errors import ConfigError
from tests.config.example import EXAMPLE

WHOLE = """\
name: crm-warehouse
ledger: postgresql+psycopg://localhost/sync
sides:
  crm:
    config: {access_token: $HUBSPOT_TOKEN}
    tap: {command: tap-hubspot}
    target: {command: target-hubspot}
  warehouse:
    tap: {meltano: tap-sql}
    target: {meltano: target-sql}
    timezone: Europe/Rome
    allow: [create, update]
entities:
  contact:
    sides:
      crm:       {stream: contacts, key: id}
      warehouse: {stream: public-contacts, key: contact_id, on_create: uuid, replication: incremental,
                  replication_key: updated_at, full_read: every 24h, where: "country = 'IT'"}
    match: [email, [last_name, phone]]
    initial: {prefer: crm}
    policy: {latest: {else: crm}}
    on_delete: park
    fields:
      email:      {crm: email, warehouse: email, normalize: [strip, lower]}
      last_name:  last_name
      city:       city
      phone:      {crm: phone, warehouse: phone, normalize: [{e164: US}], policy: park}
      score:      {crm: lead_score, warehouse: score, policy: {owner: warehouse}}
      tags:       {crm: tags, warehouse: tags, policy: set, separator: ";"}
      stage:      {crm: lifecycle, warehouse: stage, policy: {ladder: [lead, mql, sql, customer]}}
      balance:    {crm: balance, warehouse: balance, policy: counter}
      born:       {crm: born, warehouse: born, direction: {from: crm, to: warehouse}, transform: month}
    groups: {address: [city]}
    references:
      company:    {crm: company_id, warehouse: company_id, entity: company}
  company:
    sides:
      crm:       {stream: companies, key: id}
      warehouse: {stream: public-companies, key: company_id}
    fields: {name: name}
guards: {max_delete: "5% or 50", max_change: 50%, max_create: 1000}
alerts: ["slack://channel", "mailto://someone"]
"""


@pytest.mark.parametrize("text", [WHOLE, EXAMPLE], ids=["whole", "example"])
def test_editors_accept_what_the_file_may_say(text: str) -> None:
    Draft202012Validator.check_schema(schema())
    Draft202012Validator(schema()).validate(YAML(typ="safe", pure=True).load(text))


def test_what_is_to_come_is_refused_and_never_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "sync.yml"
    path.write_text(WHOLE)
    with pytest.raises(ConfigError) as error:
        load(path, {"HUBSPOT_TOKEN": ""})
    refused = [line.split(": ")[1] for line in error.value.message.splitlines()]
    assert all("not available in this version" in line for line in error.value.message.splitlines())
    assert refused == [
        "entities.contact.sides.warehouse.where",
        "alerts",
    ]
