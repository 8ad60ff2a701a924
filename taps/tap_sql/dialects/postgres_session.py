"""What makes the text of PostgreSQL's values the same whatever the server's, the database's or the role's settings."""

from __future__ import annotations

SESSION = (
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'iso_8601'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET standard_conforming_strings = on",
    "SET client_encoding = 'UTF8'",
)
