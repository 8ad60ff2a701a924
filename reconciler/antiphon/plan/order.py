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

    A chain may be longer than Python's stack is deep: each new record of a list may name the one before it.
    """
    ahead = [op]
    while ahead:
        one = ahead[-1]
        needed = [creates[(lid, one.side)] for lid in one.deps if (lid, one.side) in creates and lid != one.lid]
        unknown = [other for other in needed if other.op_id not in depth]
        if unknown:
            depth[one.op_id] = 0  # a cycle ends here: its edge is sent as it is
            ahead += reversed(unknown)
        else:
            depth[one.op_id] = max((depth[other.op_id] + 1 for other in needed), default=0)
            ahead.pop()
    return depth[op.op_id]
