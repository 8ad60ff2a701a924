"""The order of sending: what others refer to goes first, deletes go last and children first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from antiphon.model import Op, OpKind, Side


def in_order(ops: Iterable[Op], entities: Sequence[str]) -> list[list[Op]]:
    """The operations in levels: each level depends on earlier ones only. Within a level, by entity, kind and fields."""
    rank = {name: number for number, name in enumerate(entities)}
    writes = [op for op in ops if op.kind is not OpKind.DELETE]
    deletes = [op for op in ops if op.kind is OpKind.DELETE]
    creates = {(op.lid, op.side): op for op in writes if op.kind is OpKind.CREATE}
    depth: dict[str, int] = {}

    def place(op: Op) -> tuple[int, str, str, str, str]:
        return rank.get(op.entity, len(rank)), op.entity, op.kind.value, ",".join(sorted(op.patch)), op.op_id

    levels: dict[int, list[Op]] = {}
    for op in sorted(writes, key=place):
        levels.setdefault(_level(op, creates, depth), []).append(op)
    result = [levels[number] for number in sorted(levels)]
    by_rank: dict[int, list[Op]] = {}
    for op in sorted(deletes, key=place):
        by_rank.setdefault(rank.get(op.entity, len(rank)), []).append(op)
    return result + [by_rank[number] for number in sorted(by_rank, reverse=True)]


def _level(op: Op, creates: Mapping[tuple[str, Side], Op], depth: dict[str, int]) -> int:
    """How many levels must come before the operation. What is found is noted in `depth`.

    No function within `in_order`: one that calls itself is a circle, and keeps what it refers to (see `LedgerFacts`).
    """
    if op.op_id not in depth:
        depth[op.op_id] = 0  # a cycle ends here: its edge is sent as it is
        needed = [creates[(lid, op.side)] for lid in op.deps if (lid, op.side) in creates]
        depth[op.op_id] = max((_level(other, creates, depth) + 1 for other in needed if other is not op), default=0)
    return depth[op.op_id]
