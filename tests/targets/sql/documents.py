"""What a machine writes of target-sql's documents: `python -m tests.targets.sql.documents` writes it anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from target_kit.lines import encode
from tests.taps.sql.documents import TYPES, put, settings
from tests.targets.sql.narrow import CASES, NAMES

__all__ = ["README", "TYPES", "about", "narrow", "put", "settings"]

_SHOWN = 40
README = Path("targets/target_sql/README.md")


def about() -> dict[str, Any]:
    """What the target says of itself."""
    command = [sys.executable, "-m", "target_sql", "--about", "--format=json"]
    ran = subprocess.run(command, capture_output=True, check=True, text=True)
    return dict(json.loads(ran.stdout))


def narrow() -> str:
    """The table of what is refused since the database would change it."""
    lines = ["| database | column | in the record | what it would become |", "|---|---|---|---|"]
    for dialect, cases in CASES.items():
        for case in cases:
            shown = encode(case.value).decode()
            short = shown if len(shown) <= _SHOWN else f"{len(str(case.value))} characters"
            lines.append(f"| {NAMES[dialect]} | `{case.type}` | `{short}` | {case.becomes} |")
    return "\n".join(lines)


def main() -> None:
    """Write the README anew."""
    README.write_text(put(README.read_text(encoding="utf-8"), "settings", settings(about())), encoding="utf-8")
    TYPES.write_text(put(TYPES.read_text(encoding="utf-8"), "narrow", narrow()), encoding="utf-8")


if __name__ == "__main__":
    main()
