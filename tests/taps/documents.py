"""The tables of settings in the READMEs of connectors, written by a machine.

`python -m tests.taps.documents` writes them anew; `test_hubspot_commands.py` holds them against `--about`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.taps.sql.documents import put, settings

READMES = {
    "tap_hubspot": Path("taps/tap_hubspot/README.md"),
    "target_hubspot": Path("targets/target_hubspot/README.md"),
    "tap_salesforce": Path("taps/tap_salesforce/README.md"),
    "target_salesforce": Path("targets/target_salesforce/README.md"),
    "tap_tryton": Path("taps/tap_tryton/README.md"),
    "target_tryton": Path("targets/target_tryton/README.md"),
}


def about(package: str) -> dict[str, Any]:
    """What the plugin says of itself."""
    ran = subprocess.run(
        [sys.executable, "-m", package, "--about", "--format=json"], capture_output=True, check=True, text=True
    )
    return dict(json.loads(ran.stdout))


def written(package: str) -> str:
    """The README as it should be."""
    return put(READMES[package].read_text(encoding="utf-8"), "settings", settings(about(package)))


if __name__ == "__main__":
    for name, path in READMES.items():
        path.write_text(written(name), encoding="utf-8")
