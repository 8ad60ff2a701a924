"""A sync.yml that uses all that this version does, and changes to it."""

from __future__ import annotations

from pathlib import Path

from antiphon.config import SyncConfig, load

EXAMPLE = """\
name: crm-warehouse
ledger: sqlite:///state/ledger.db
sides:
  crm:
    config: {access_token: $HUBSPOT_TOKEN, portal: 7}
    tap: {command: tap-hubspot --strict, config: {portal: 8}}
    target: {command: [target-hubspot], receipts_path: out/receipts.jsonl}
  warehouse:
    tap: {command: tap-sql, env: {PGHOST: "${DB_HOST}"}}
    target: {command: target-sql, config: {note: costs $$5}}
    timezone: Europe/Rome
    allow: [create, update]
entities:
  contact:
    sides:
      crm:
        stream: contacts
        key: id
        on_create: assigned
      warehouse:
        stream: public-contacts
        key: contact_id
        on_create: uuid
        replication: incremental
        replication_key: updated_at
        full_read: every 24h
        overlap: 5m
    match: [email, [last_name, phone]]
    initial: {prefer: crm}
    policy: {latest: {else: crm}}
    on_delete: {crm: delete}
    fields:
      email: {crm: email, warehouse: email, normalize: [strip, lower]}
      last_name: {crm: lastname, warehouse: last_name, sensitive: true}
      city: city
      street: {crm: street, warehouse: street, empty: clear}
      phone: {crm: phone, warehouse: phone, normalize: [{e164: US}], policy: park}
      score: {crm: lead_score, warehouse: score, policy: {owner: warehouse}, type: number}
      tags: {crm: tags, warehouse: tags, policy: set, separator: ";"}
      stage: {crm: lifecycle, warehouse: stage, policy: nonempty, values: {crm: {mql: marketing}}}
      opened: {crm: opened, warehouse: opened, direction: {from: crm, to: warehouse}, empty: keep}
    groups: {address: [street, city]}
    references:
      company: {crm: company_id, warehouse: company_id, entity: company}
  company:
    sides:
      crm: {stream: companies, key: id, on_create: assigned}
      warehouse: {stream: public-companies, key: [country, code]}
    match: [name]
    fields:
      name: {crm: name, warehouse: name}
      country: {crm: country, warehouse: country, normalize: [upper]}
      code: {crm: code, warehouse: code}
guards: {max_delete: 5% or 50, max_change: 50%, max_create: 1000}
"""

ENVIRON = {"HUBSPOT_TOKEN": "s3cret", "DB_HOST": "db.example"}


def write(folder: Path, *changes: tuple[str, str]) -> Path:
    """The example, each first text of the changes replaced by the second."""
    text = EXAMPLE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "sync.yml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, *changes: tuple[str, str]) -> SyncConfig:
    """The changed example, loaded."""
    return load(write(folder, *changes), ENVIRON)
