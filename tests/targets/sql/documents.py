"""The parts of target-sql's README that a machine writes: `python -m tests.targets.sql.documents` writes them anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.taps.sql.documents import put, settings

__all__ = ["README", "about", "put", "settings"]

README = Path("targets/target_sql/README.md")


def about() -> dict[str, Any]:
    """What the target says of itself."""
    command = [sys.executable, "-m", "target_sql", "--about", "--format=json"]
    ran = subprocess.run(command, capture_output=True, check=True, text=True)
    return dict(json.loads(ran.stdout))


def main() -> None:
    """Write the README anew."""
    README.write_text(put(README.read_text(encoding="utf-8"), "settings", settings(about())), encoding="utf-8")


if __name__ == "__main__":
    main()
