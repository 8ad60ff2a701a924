"""Ids as values: a function of what they name, so that the same input gives the same plan, byte for byte."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

from antiphon.model import Instant

_RANDOM_BITS = 74


def link_id(*names: str) -> str:
    """A link's UUID (version 8, RFC 9562 section 5.8) from the ledger, the entity and the record that opened it."""
    digest = bytearray(_digest(names, 16))
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(digest)))


def op_id(now: Instant, *names: str) -> str:
    """An operation's UUID (version 7, RFC 9562 section 5.7): it sorts by time, its other bits come from `names`."""
    bits = int.from_bytes(_digest((str(now), *names), 10), "big") >> (80 - _RANDOM_BITS)
    value = (now // 1000 & (1 << 48) - 1) << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1
    return str(UUID(int=value))


def short_id(*names: str) -> str:
    """Twelve hex digits that people can type: for conflicts and plans."""
    return _digest(names, 6).hex()


def row_hash(text: bytes) -> str:
    """128 bits of a record's canonical JSON."""
    return blake2b(text, digest_size=16).hexdigest()


def _digest(names: tuple[str, ...], size: int) -> bytes:
    return blake2b("\x1f".join(names).encode(), digest_size=size).digest()
