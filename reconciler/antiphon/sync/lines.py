"""Lines that a side has shown before are recognised by their text: they need not be parsed, nor looked for one by one.

An observation keeps the hash of the line that last showed it. A full read begins with the set of all these hashes; a
line whose hash is in it says what the ledger knows already. Whole chunks of lines are hashed and looked for at once.

A hash counts only for the very observation and way of reading that it was stored with. So what is stored is not the
hash, but the exclusive or of three: of the line, of the observation's values (`Observation.hash`), and of how the
stream was read (its key, its mapped columns and their SCHEMA). If any of them is another one today, what is recovered
matches no line, and the record is read as if it had never been shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from antiphon.equivalence import canonical_json

_SIZE = 16
_HEX = 2 * _SIZE
_TAG = 4
_NO_TAG = "0" * _TAG

# The SDK ends each RECORD with the time of its making, which says nothing of the record. As the last member of a line
# that is JSON it can be left out: two lines that are equal without it are the same message. A comma stays behind.
_TIME = re.compile(rb'"time_extracted": ?"[\w:.+-]*"\}$', re.MULTILINE)


def hash_lines(texts: Sequence[bytes]) -> list[bytes]:
    """A hash of each line, without the time at which the tap made it."""
    plain = _TIME.sub(b"}", b"\n".join(texts)).split(b"\n")
    return [blake2b(text, digest_size=_SIZE).digest() for text in plain]


class Marks:
    """The marks of one stream in one read. `unseen` are the hashes of lines that this read has not shown yet."""

    def __init__(self, key: Sequence[str], columns: Sequence[str], schema: Mapping[str, Any]) -> None:
        pad = blake2b(canonical_json([list(key), list(columns), schema]).encode(), digest_size=_SIZE).digest()
        self._pad = int.from_bytes(pad)
        self._tag = pad.hex()[:_TAG]
        self.unseen: set[bytes] = set()

    def load(self, rows: Iterable[tuple[str, str | None]]) -> None:
        """Take in what is stored: (hash, line) of observations.

        All are unbound in one sum of long numbers, in which each has its bytes to itself.
        """
        known = [row for row in rows if row[1] is not None]
        lines = "".join([line for _, line in known])  # type: ignore[misc]  # none of them is None
        hashes = _NO_TAG.join([row_hash for row_hash, _ in known]) + _NO_TAG if known else ""
        pads = (self._pad.to_bytes(_SIZE) + bytes.fromhex(_NO_TAG)) * len(known)
        sums = int.from_bytes(bytes.fromhex(lines)) ^ int.from_bytes(bytes.fromhex(hashes)) ^ int.from_bytes(pads)
        found = sums.to_bytes(len(pads))
        self.unseen = {found[at : at + _SIZE] for at in range(0, len(found), _SIZE + _TAG // 2)}

    def stored(self, mark: bytes, row_hash: str) -> str:
        """What to store with an observation of these values, which the line with this hash showed."""
        bound = int.from_bytes(mark) ^ int(row_hash, 16) ^ self._pad
        return f"{bound:0{_HEX}x}{self._tag}"

    def recovered(self, line: str | None, row_hash: str) -> bytes | None:
        """The hash of the line that showed the observation; None if there is none, or if it was read otherwise."""
        if line is None or not line.endswith(self._tag):
            return None
        return (int(line[:_HEX], 16) ^ int(row_hash, 16) ^ self._pad).to_bytes(_SIZE)
