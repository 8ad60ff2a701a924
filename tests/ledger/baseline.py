"""Write the first migration anew from the tables of `ledger.tables`: `make baseline`.

Until the first release nobody has a ledger to migrate, so the first migration may still change with the row classes.
Once it is released it never changes again, and a new revision stands beside it.
"""

import re
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext

from antiphon.ledger.statements import METADATA
from antiphon.ledger.versions import MIGRATIONS

BASELINE = MIGRATIONS / "versions" / "v0001_baseline.py"
_HEAD = '''"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make them."""
'''
_TEXT = "sa.Text().with_variant(sa.TEXT(collation='C'), 'postgresql')"
_DEFAULTS = re.compile(
    r"(?<=TEXT), autoincrement=False|, (unique=False|sqlite_where=None|postgresql_where=None)(?=[,)])"
)


def rendered() -> str:
    """The first migration, as Python."""
    with sa.create_engine("sqlite://").connect() as connection:
        operations = produce_migrations(MigrationContext.configure(connection), METADATA).upgrade_ops
    assert operations is not None
    code = render_python_code(operations).replace(_TEXT, "TEXT")
    lines = [line for line in _DEFAULTS.sub("", code).splitlines() if not line.lstrip().startswith("#")]
    return _formatted(_HEAD + "\n".join(lines) + "\n")


def _formatted(code: str) -> str:
    ruff = Path(sys.executable).with_name("ruff")
    command = [str(ruff), "format", "--stdin-filename", str(BASELINE), "-"]
    return subprocess.run(command, input=code, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    BASELINE.write_text(rendered(), encoding="utf-8")
