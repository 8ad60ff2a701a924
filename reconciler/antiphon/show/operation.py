"""One operation, or a group of alike ones, field by field with the reason why each value won."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from antiphon.equivalence import is_empty
from antiphon.model import MISSING, Missing, Op, OpKind, Value
from antiphon.plan.review import fingerprint
from antiphon.show.groups import examples
from antiphon.show.records import Records, key_in_words
from antiphon.show.text import INDENT, WIDTH, cut, listed, number, paragraph, table
from antiphon.show.values import change, in_words, quoted

_FIELD, _VALUE = 20, 20
_CHANGE = 2 * _VALUE + 3


def verb(op: Op) -> str:
    """What is done to the record: an archive is a delete that keeps it."""
    return "archive" if op.kind is OpKind.DELETE and op.patch.get("archive") is True else op.kind.value


def fields(op: Op) -> tuple[str, ...]:
    """The fields that the operation is about: those it writes, of a delete those that were there."""
    return tuple(sorted(op.expect if op.kind is OpKind.DELETE else op.patch))


def reasons(records: Records, op: Op) -> dict[str, str]:
    """Why each value won, by field. Under `""`: why the whole record is written."""
    secrets = records.veil.secrets([op])
    said = {name: records.veil.text(why, secrets) for name, why in op.reasons.items()}
    if op.kind is OpKind.CREATE and len(set(said.values())) == 1:
        return {"": next(iter(said.values()))}
    return said


def shape(records: Records, op: Op) -> Hashable:
    """Operations of the same shape may be shown as a group."""
    return (op.side, op.entity, verb(op), fields(op), tuple(sorted(reasons(records, op).items())))


def block(records: Records, op: Op) -> list[str]:
    """The operation with a line per field."""
    why = reasons(records, op)
    head = f"{op.side}  {verb(op)} {records.titled(op.lid)}"
    head += f"  {why['']}" if why.get("") else ""
    key = cut(key_in_words(records, op), WIDTH - 2 * INDENT)
    if key and cell_len(f"{head}  ({key})") <= WIDTH:
        lines = [f"{head}  ({key})"]
    else:
        lines = [cut(head, WIDTH), *([f"{' ' * INDENT}({key})"] if key else [])]
    if op.kind is OpKind.UPDATE:
        rows = [
            (name, _change(records, op, name), listed([why.get(name, ""), _loss(records, op, name)], joint="; "))
            for name in fields(op)
        ]
        return lines + table(rows, most=(_FIELD, _CHANGE))
    values = op.patch if op.kind is OpKind.CREATE else op.expect
    empty = [name for name in fields(op) if is_empty(values[name]) and not why.get(name)]
    shown = [
        (name, in_words(records.shown(op.entity, name, values[name]), 3 * _VALUE), why.get(name, ""))
        for name in fields(op)
        if name not in empty
    ]
    lines += table(shown, most=(_FIELD, 3 * _VALUE))
    return lines + (paragraph(f"empty: {listed(empty)}", indent=INDENT, hanging=2 * INDENT) if empty else [])


def group_lines(records: Records, ops: Sequence[Op]) -> list[str]:
    """Alike operations: how many, three of their names, the fields by reason, and how many edits are overwritten."""
    first = ops[0]
    names = examples(ops, lambda op: str(records.name(op.lid)))
    lines = paragraph(f"{first.side}  {verb(first)} {first.entity} {names}", hanging=INDENT)
    by_reason: dict[str, list[str]] = {}
    why = reasons(records, first)
    for name in fields(first):
        by_reason.setdefault(why.get(name, why.get("", "")), []).append(name)
    for text, named in by_reason.items():
        lines += paragraph(f"{text}: {listed(named)}" if text else listed(named), indent=INDENT, hanging=2 * INDENT)
    lost = sum(len(op.losers) for op in ops)
    if lost:
        lines += paragraph(f"overwrites {number(lost)} values of {first.side}", indent=INDENT)
    return lines


def op_dict(records: Records, op: Op) -> dict[str, Any]:
    """The operation for JSON."""
    why, veil = reasons(records, op), records.veil
    lost = veil.fields(op.entity, op.losers)
    return {
        "fingerprint": fingerprint(op),
        "lid": op.lid,
        "side": op.side,
        "entity": op.entity,
        "kind": op.kind.value,
        "archive": verb(op) == "archive",
        "record": records.name(op.lid).text,
        "key": key_for_json(records, op),
        "reason": why.get("") or None,
        "fields": [
            {
                "field": name,
                **({"from": veil.value(op.entity, name, op.expect[name])} if name in op.expect else {}),
                **({"to": veil.value(op.entity, name, op.patch[name])} if op.kind is not OpKind.DELETE else {}),
                "reason": why.get(name) or why.get("") or None,
                **({"overwrites": lost[name]} if name in lost else {}),
            }
            for name in fields(op)
        ],
    }


def key_for_json(records: Records, op: Op) -> Mapping[str, Value]:
    """The key columns as they may be shown."""
    return records.veil.columns(op.entity, op.side, op.key)


def _change(records: Records, op: Op, name: str) -> str:
    old = records.shown(op.entity, name, op.expect.get(name, MISSING))
    return change(old, records.shown(op.entity, name, op.patch[name]), _VALUE)


def _loss(records: Records, op: Op, name: str) -> str:
    lost = op.losers.get(name, MISSING)
    if isinstance(lost, Missing):
        return ""
    return f"overwrites {op.side}'s {quoted(records.veil.value(op.entity, name, lost), _VALUE)}"
