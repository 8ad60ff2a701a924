import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.taps.sql.conftest import Database

TABLE = """
CREATE TABLE contacts (
    contact_id integer PRIMARY KEY, email varchar(80) NOT NULL, score numeric(8, 2), ratio double precision,
    subscribed boolean, born date, updated_at timestamp
)
"""
ROWS = """
INSERT INTO contacts VALUES
    (1, 'ada@example.com', 10.50, 0.1, true, '1815-12-10', '2026-11-20 10:00:00.120'),
    (2, 'bob@example.com', -1.00, 1e20, false, '1970-01-01', '2026-11-20 10:00:00'),
    (3, 'eve@example.com', 0, 0.25, true, '2000-02-29', '2026-11-21 00:00:00')
"""


def standard_suite(url: str) -> str:
    """What pytest says of the suite, run against a database."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).with_name("standard.py"))],
        env={**os.environ, "STANDARD_URL": url, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    return ran.stdout


@pytest.mark.slow
def test_the_standard_suite_for_taps_passes(database: Database) -> None:
    database.run(TABLE, ROWS, "CREATE VIEW emails AS SELECT contact_id, email FROM contacts")

    assert " passed" in standard_suite(database.url)
