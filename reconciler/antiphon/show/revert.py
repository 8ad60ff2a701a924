"""What a revert leaves alone, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.ledger import Ledger
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Missing
from antiphon.plan.revert import Kept
from antiphon.show.records import Records
from antiphon.show.text import number, paragraph
from antiphon.show.values import in_words

_FEW = 20
_LONG = 40


def kept_text(kept: Sequence[Kept], ledger: Ledger, mapping: SyncMapping) -> str:
    """A sentence for each thing that stays as it is; the first of many."""
    if not kept:
        return ""
    records = Records(ledger, mapping)
    lines = [f"kept as it is: {number(len(kept))}"]
    for each in kept[:_FEW]:
        lines += paragraph(_sentence(each, records), indent=2, hanging=4)
    if len(kept) > _FEW:
        lines.append(f"  and {number(len(kept) - _FEW)} more (--json shows all)")
    return "\n".join(lines)


def _sentence(each: Kept, records: Records) -> str:
    op = each.op
    what = f"{op.kind.value} of {op.side}" if each.field is None else f"{each.field} on {op.side}"
    told = f"{records.titled(op.lid)}, {what}: {each.reason}"
    if each.field is None or isinstance(each.now, Missing):
        return told
    before, written, now = (_words(records, each, value) for value in (each.before, each.written, each.now))
    return f"{told}; it was {before}, the run wrote {written}, now it is {now}"


def _words(records: Records, each: Kept, value: Any) -> str:
    return in_words(records.shown(each.op.entity, each.field or "", value), _LONG)


def kept_dicts(kept: Sequence[Kept], ledger: Ledger, mapping: SyncMapping) -> list[dict[str, Any]]:
    """As `kept_text`, for JSON: everything."""
    records = Records(ledger, mapping)
    return [
        {
            "lid": each.op.lid,
            "record": records.titled(each.op.lid),
            "side": each.op.side,
            "kind": each.op.kind.value,
            "op_id": each.op.op_id,
            "field": each.field,
            "reason": records.said(each.reason, each.op.lid),
            **{
                name: records.shown(each.op.entity, each.field or "", value)
                for name, value in (("before", each.before), ("written", each.written), ("now", each.now))
                if each.field is not None and not isinstance(value, Missing)
            },
        }
        for each in kept
    ]
