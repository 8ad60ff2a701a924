"""How Antiphon shows things to people: pure functions from plan and ledger to text, and to values for JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.equivalence import canonical_json

INDENT = 2


def to_json(shown: Any) -> str:
    """What a `…_dict` gave, as JSON for people: indented, decimals exact."""
    return msgspec.json.format(canonical_json(shown), indent=INDENT)
