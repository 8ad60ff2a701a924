"""PostgreSQL's rows as JSON built by the server, held against the same rows through Python: equal to the digit."""

import random
import struct
from decimal import Decimal
from typing import Any

from tap_sql.dialects import dialect_of
from tap_sql.dialects.base import Dialect
from tap_sql.engines import make_engine
from tap_sql.records import Bad, Row
from tap_sql.values import decode
from tests.taps.sql.conftest import Database

ROWS = 400
SIGNS = "ab \"\\/'\n\t\r\x01\x1f\x7fé€😀\u2028{}[],:"


def test_both_ways_show_the_same_values(pg: Database) -> None:
    draw = random.Random(7)
    rows = ", ".join(row(draw, number) for number in range(ROWS))
    pg.run(
        "CREATE TYPE mood AS ENUM ('happy', 'so so')",
        "CREATE TABLE t (id integer PRIMARY KEY, i bigint, n numeric, m numeric(20, 5), f float8, r real, b boolean, "
        "d date, ts timestamptz, t timestamp, x time, s text, j jsonb, k json, raw bytea, e mood, ia bigint[], "
        "na numeric[], fa float8[], sa text[], ta timestamptz[], iv interval)",
        f"INSERT INTO t VALUES {rows}",
    )
    dialect = dialect_of(make_engine(pg.url))

    with dialect.session() as connection:
        (relation,) = dialect.relations(connection, ())
        copied = [each for rows in dialect.read(connection, relation) for each in rows]
        fetched = [each for rows in Dialect.read(dialect, connection, relation) for each in rows]

    assert len(copied) == len(fetched) == ROWS
    assert sum(isinstance(each, Bad) for each in copied) > ROWS / 20, "values without a JSON form are among them"
    for one, other in zip(copied, fetched, strict=True):
        assert differing(shown(one), shown(other)) == {}


def differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: (one.get(name), other.get(name)) for name in {**one, **other} if one.get(name) != other.get(name)}


def shown(row: Row) -> dict[str, Any]:
    """A row with numbers written out, so that 1.0 differs from 1.00, and the columns that were refused."""
    record = decode(row.record if isinstance(row, Bad) else row)
    refused = dict.fromkeys(row.refused, "refused") if isinstance(row, Bad) else {}
    return {name: digits(value) for name, value in record.items()} | refused


def digits(value: Any) -> Any:
    match value:
        case dict():
            return {name: digits(each) for name, each in value.items()}
        case list():
            return [digits(each) for each in value]
        case Decimal():
            return str(value)
        case _:
            return value


def row(draw: random.Random, number: int) -> str:
    makers = [integer, numeric, fixed, double, real, boolean, date, moment, moment, clock, text, document, document]
    makers += [octets, mood]
    values = [str(number), *(maker(draw) if draw.random() > 0.1 else "NULL" for maker in makers)]
    for maker, kind in (
        (integer, "bigint"),
        (numeric, "numeric"),
        (double, "float8"),
        (text, "text"),
        (moment, "timestamptz"),
    ):
        items = ", ".join(maker(draw) if draw.random() > 0.2 else "NULL" for _ in range(draw.randrange(4)))
        values.append(f"ARRAY[{items}]::{kind}[]")
    values.append(f"make_interval(months => {draw.randrange(-20, 20)}, secs => {draw.randrange(99)})")
    return f"({', '.join(values)})"


def integer(draw: random.Random) -> str:
    return f"({draw.choice([0, -(2**63) + 1, 2**63 - 1, draw.randrange(-999, 999)])})::bigint"


def numeric(draw: random.Random) -> str:
    if draw.random() < 0.02:
        return f"'{draw.choice(['NaN', 'Infinity', '-Infinity'])}'::numeric"
    return f"'{draw.randrange(-(10**30), 10**30)}e{draw.randrange(-40, 10)}'::numeric"


def fixed(draw: random.Random) -> str:
    return f"{draw.randrange(-(10**10), 10**10)}.{draw.randrange(100)}"


def double(draw: random.Random) -> str:
    (value,) = struct.unpack("d", draw.randbytes(8))
    return f"'{draw.choice([value, 0.0, -0.0, 1e15, 1e16, 1e-5, draw.randrange(99) / 7])}'::float8"


def real(draw: random.Random) -> str:
    (value,) = struct.unpack("f", draw.randbytes(4))
    return f"'{value}'::real"


def boolean(draw: random.Random) -> str:
    return draw.choice(["true", "false"])


def date(draw: random.Random) -> str:
    return draw.choice(["'0001-01-01'", "'9999-12-31'", "'infinity'", f"'2026-01-01'::date + {draw.randrange(9999)}"])


def moment(draw: random.Random) -> str:
    if draw.random() < 0.03:
        return draw.choice(["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'20000-01-01'"])
    second = f"{draw.randrange(60):02}.{draw.randrange(10**6):06}"
    return f"'{draw.randrange(1, 9999):04}-06-{draw.randrange(1, 30):02} 10:00:{second}'"


def clock(draw: random.Random) -> str:
    return f"'{draw.randrange(25):02}:00:00'"


def text(draw: random.Random) -> str:
    made = "".join(draw.choice(SIGNS) for _ in range(draw.randrange(20)))
    return "E'" + "".join(f"\\U{ord(sign):08x}" for sign in made) + "'"


def document(draw: random.Random) -> str:
    return draw.choice(["'null'", "'1.50'", 'E\'{"a":\\n [1, 1.0, "\\\\u00e9\\\\n"]}\'', "'[]'", "'\"x\"'"])


def octets(draw: random.Random) -> str:
    return f"'\\x{draw.randbytes(draw.randrange(99)).hex()}'"


def mood(draw: random.Random) -> str:
    return draw.choice(["'happy'", "'so so'"])
