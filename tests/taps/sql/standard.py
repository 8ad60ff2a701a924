"""The SDK's own suite for taps. Its tests are made from the database's streams, so `test_standard.py` runs it apart."""

import os

from singer_sdk.testing import get_tap_test_class

from tap_sql.tap import TapSql
from tests.taps.suite import EachByItself


class TestTapSql(EachByItself, get_tap_test_class(TapSql, config={"url": os.environ["STANDARD_URL"]})):  # type: ignore[misc]
    """Every test looks at the attribute that it names."""
