"""`--check`: what a target finds out about its settings, rights and tables before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `hint`: the way on if it is not `ok`; `fixable`: `--fix` can do it."""

    name: str
    ok: bool
    message: str
    hint: str = ""
    fixable: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All checks, and the fingerprint of the account or database (no secret; None if it could not be reached)."""

    account: str | None
    checks: Sequence[Check]

    @property
    def ok(self) -> bool:
        """Whether nothing is amiss."""
        return all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The document that `--check --format=json` prints."""
        return {"account": self.account, "checks": [asdict(check) for check in self.checks]}

    def to_text(self) -> str:
        """The same for people."""
        lines = [f"account: {self.account or 'not reached'}"]
        for check in self.checks:
            lines.append(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.message}")
            if not check.ok and check.hint:
                lines.append(f"     {check.hint}" + (" (--fix does it)" if check.fixable else ""))
        return "\n".join(lines)
