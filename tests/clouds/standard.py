"""The SDK's own suites for targets and for taps against one cloud; `standard_suites` has pytest run it there.

The schema is empty at first. The tap's one stream is what the target writes below.
"""

import io
import json
import os
import tempfile
from pathlib import Path

from singer_sdk.testing import get_tap_test_class, get_target_test_class

from tap_sql.tap import TapSql
from target_sql.target import TargetSQL
from tests.clouds.people import ADA, PEOPLE
from tests.taps.suite import EachByItself

_URL, _SCHEMA, _STREAM = (os.environ[f"STANDARD_{name}"] for name in ("URL", "SCHEMA", "STREAM"))
_TARGET = {
    "url": _URL,
    "schema": _SCHEMA,
    "names": os.environ["STANDARD_NAMES"],
    "rejected_path": str(Path(tempfile.mkdtemp(prefix="target-sql-suite-")) / "rejected.jsonl"),
}
_TAP = {"url": _URL, "schemas": [_SCHEMA], "keys": {_STREAM: ["id"]}}
_CONTACTS = [
    {"type": "SCHEMA", "stream": "contacts", "key_properties": ["id"], "schema": {"properties": PEOPLE}},
    *({"type": "RECORD", "stream": "contacts", "record": {**ADA, "id": number}} for number in range(1, 4)),
]
TargetSQL(config=_TARGET).listen(io.BytesIO(b"".join(json.dumps(each).encode() + b"\n" for each in _CONTACTS)))  # type: ignore[arg-type]

TestTarget = get_target_test_class(TargetSQL, config=_TARGET)


class TestTap(EachByItself, get_tap_test_class(TapSql, config=_TAP)):  # type: ignore[misc]
    """Every test looks at the attribute that it names."""
