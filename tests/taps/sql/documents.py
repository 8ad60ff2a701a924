"""The parts of the documents that a machine writes: `python -m tests.taps.sql.documents` writes them anew.

`test_documents.py` holds them against `--about` and against the table that the tests of types run.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.taps.sql.type_table import DUCKDB, LONG, POSTGRESQL, REFUSED, SQLITE, Case

README = Path("taps/tap_sql/README.md")
TYPES = Path("docs/types.md")
NAMES = {"pg": "PostgreSQL", "duck": "DuckDB", "lite": "SQLite"}
SHARED = ("stream_maps", "stream_map_config", "flattening", "faker_config")
"""Settings of every tap of the SDK begin so; the README names them in a sentence."""


def about() -> dict[str, Any]:
    """What the tap says of itself."""
    ran = subprocess.run(
        [sys.executable, "-m", "tap_sql", "--about", "--format=json"], capture_output=True, check=True, text=True
    )
    return dict(json.loads(ran.stdout))


def settings(told: dict[str, Any]) -> str:
    """The README's table of settings, and the capabilities."""
    lines = ["| setting | default | what it does |", "|---|---|---|"]
    for name, shape in told["settings"]["properties"].items():
        if not name.startswith(SHARED):
            required = name in told["settings"].get("required", ())
            default = "required" if required else f"`{shape['default']}`" if "default" in shape else ""
            lines.append(f"| `{name}` | {default} | {shape['description']} |")
    return "\n".join([*lines, "", f"Capabilities: {', '.join(sorted(f'`{each}`' for each in told['capabilities']))}."])


def types() -> dict[str, str]:
    """The tables of docs/types.md, by the marks that they stand between."""
    return {
        "postgresql": _table(POSTGRESQL),
        "duckdb": _table(DUCKDB),
        "sqlite": _table(SQLITE),
        "refused": _refused(),
    }


def put(text: str, mark: str, content: str) -> str:
    """A document with `content` between the comments of a mark."""
    begin, end = f"<!-- {mark} -->\n", f"\n<!-- end of {mark} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no mark {mark}")
    return pattern.sub(lambda _: begin + content + end, text)


def _table(cases: Iterable[Case]) -> str:
    lines = ["| type | stored | in the record | JSON Schema |", "|---|---|---|---|"]
    for sql_type, literal, expected, schema in cases:
        value = f"{len(LONG):,} times é" if expected == LONG else expected
        shape = "any JSON type" if schema is None else _json(schema)
        lines.append(f"| {_code(sql_type) or 'none'} | {_code(literal)} | {_code(_json(value))} | {_code(shape)} |")
    return "\n".join(lines)


def _refused() -> str:
    lines = ["| database | type | stored |", "|---|---|---|"]
    lines += [f"| {NAMES[name]} | {_code(sql_type)} | {_code(literal)} |" for name, sql_type, literal in REFUSED]
    return "\n".join(lines)


def _json(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(_json(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(name)}: {_json(each)}' for name, each in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    shown = text.replace("|", "\\|").replace("\u2028", "\\u2028")
    mark = "``" if "`" in shown else "`"
    return f"{mark}{shown}{mark}" if shown else ""


def main() -> None:
    """Write the documents anew."""
    README.write_text(put(README.read_text(encoding="utf-8"), "settings", settings(about())), encoding="utf-8")
    text = TYPES.read_text(encoding="utf-8")
    for mark, content in types().items():
        text = put(text, mark, content)
    TYPES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
