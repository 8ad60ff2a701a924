"""A table of every type, and a row of it; also for programs of environments without pytest."""

from decimal import Decimal
from typing import Any

PEOPLE: dict[str, dict[str, Any]] = {
    "id": {"type": "integer"},
    "email": {"type": ["string", "null"]},
    "amount": {"type": ["number", "null"], "precision": 12, "scale": 2},
    "ratio": {"type": ["number", "null"]},
    "active": {"type": ["boolean", "null"]},
    "born": {"type": ["string", "null"], "format": "date"},
    "seen": {"type": ["string", "null"], "format": "date-time"},
    "at": {"type": ["string", "null"], "format": "time"},
    "ref": {"type": ["string", "null"], "format": "uuid"},
    "more": {"type": ["object", "null"]},
    "raw": {"type": ["string", "null"], "contentEncoding": "base64"},
}
ADA: dict[str, Any] = {
    "id": 1,
    "email": "é😀\"'\\\n:p0_0 %s",
    "amount": 1.5,
    "ratio": 0.1,
    "active": True,
    "born": "0001-01-01",
    "seen": "2026-11-20T10:00:00.123456+01:00",
    "at": "10:00:00.5",
    "ref": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "more": {"a": [1.5, None]},
    "raw": "AP8K",
}
SHOWN = {**ADA, "amount": Decimal("1.50"), "ratio": Decimal("0.1"), "seen": "2026-11-20T09:00:00.123456+00:00"}
"""ADA as every cloud shows it, but for JSON, which is text there."""
