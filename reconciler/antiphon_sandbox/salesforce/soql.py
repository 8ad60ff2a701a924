"""The part of SOQL that connectors write, as it is read; `answers` answers it.

`SELECT` fields (of parents too, `Account.Name`) or `COUNT()`, `FROM`, `WHERE` with `AND`, `OR`, `NOT`, brackets,
`= != <> < <= > >= LIKE IN NOT IN`, `ORDER BY … ASC|DESC NULLS FIRST|LAST`, `LIMIT`, `OFFSET`. Sub-queries, grouping and
date words (`TODAY`) are refused. Source: Salesforce, "SOQL and SOSL Reference".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from antiphon_sandbox.salesforce.errors import Refused, in_our_words, malformed
from antiphon_sandbox.salesforce.org import Org, Record
from antiphon_sandbox.salesforce.schema import Field, SObject
from antiphon_sandbox.salesforce.values import LONG, SHORT, long_id, moment

Test: TypeAlias = Callable[[Record], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<moment>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][\w.]*)|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)
_LONGEST = 100_000
_SIGNS = {"=", "!=", "<>", "<", "<=", ">", ">="}
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_NUMBERS = frozenset({"int", "double", "currency", "percent"})


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a path to a value: a reference, by its relationship, or in the end the field itself."""

    field: Field
    shown: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query asks for. No `paths` is `COUNT()`; `order`: values, whether downwards, whether null first."""

    object: SObject
    paths: Sequence[Sequence[Step]]
    test: Test | None
    order: Sequence[tuple[Callable[[Record], Any], bool, bool]]
    limit: int | None
    offset: int

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and type of each value."""
        return [(".".join(step.shown for step in path), path[-1].field.type) for path in self.paths]


def read(org: Org, text: str) -> Asked:
    """Read a query. Raises `Refused`."""
    if len(text) > _LONGEST:
        raise malformed(f"SOQL statements cannot be longer than {_LONGEST} characters.")
    return _Query(org, text).read()


def reader(org: Org, path: Sequence[Step]) -> Callable[[Record], Any]:
    """What finds the value at the end of a path."""

    def value(record: Record) -> Any:
        here: Record | None = record
        for step in path[:-1]:
            here = org.records.get(str(here.values.get(step.field.name))) if here is not None else None
        return None if here is None else here.values.get(path[-1].field.name)

    return value


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Query:
    """One query: its text, read from left to right."""

    def __init__(self, org: Org, text: str) -> None:
        self.org, self.text = org, text
        self.tokens, self.place = _tokens(text), 0

    def read(self) -> Asked:
        self._expect("SELECT")
        paths = self._paths()
        self._expect("FROM")
        sobject = self._object()
        test = self._either(sobject) if self._take("WHERE") else None
        order = self._order(sobject) if self._take("ORDER") else []
        limit = int(self._next("number").text) if self._take("LIMIT") else None
        offset = int(self._next("number").text) if self._take("OFFSET") else 0
        if self.place < len(self.tokens):
            raise self._unexpected()
        return Asked(sobject, [self._path(sobject, token) for token in paths], test, order, limit, offset)

    # ---- clauses

    def _paths(self) -> list[_Token]:
        if self._peek("COUNT"):
            self.place += 1
            self._expect("(")
            self._expect(")")
            return []
        paths = [self._next("word")]
        while self._take(","):
            paths.append(self._next("word"))
        return paths

    def _object(self) -> SObject:
        token = self._next("word")
        try:
            return self.org.kind(token.text)
        except Refused:
            words = (
                f"sObject type '{token.text}' is not supported. If you are attempting to use a custom object, be sure "
                "to append the '__c' after the entity name. Please reference your WSDL or the describe call for the "
                "appropriate names."
            )
            raise Refused("INVALID_TYPE", self._where(token) + words) from None

    def _either(self, sobject: SObject) -> Test:
        tests = [self._all(sobject)]
        while self._take("OR"):
            tests.append(self._all(sobject))
        return lambda record: any(test(record) for test in tests)

    def _all(self, sobject: SObject) -> Test:
        tests = [self._one(sobject)]
        while self._take("AND"):
            tests.append(self._one(sobject))
        return lambda record: all(test(record) for test in tests)

    def _one(self, sobject: SObject) -> Test:
        if self._take("NOT"):
            test = self._one(sobject)
            return lambda record: not test(record)
        if self._take("("):
            test = self._either(sobject)
            self._expect(")")
            return test
        token = self._next("word")
        path = self._path(sobject, token)
        value, kind = reader(self.org, path), path[-1].field.type
        if self._take("NOT"):
            self._expect("IN")
            among = self._list(kind)
            return lambda record: _plain(value(record), kind) not in among
        if self._take("IN"):
            among = self._list(kind)
            return lambda record: _plain(value(record), kind) in among
        if self._take("LIKE"):
            pattern = _like(self._literal("string"))
            return lambda record: pattern.fullmatch(str(value(record) or "")) is not None
        sign = self._next("sign").text
        if sign not in _SIGNS:
            self.place -= 1
            raise self._unexpected()
        return _compare(value, sign, self._literal(kind), kind)

    def _list(self, kind: str) -> list[Any]:
        self._expect("(")
        found = [self._literal(kind)]
        while self._take(","):
            found.append(self._literal(kind))
        self._expect(")")
        return found

    def _literal(self, kind: str) -> Any:
        token = self._peek_any()
        self.place += 1
        match token.kind:
            case "text":
                return _plain(re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), token.text[1:-1]), kind)
            case "number":
                return float(token.text)
            case "moment":
                return moment(token.text)
            case "date":
                return date.fromisoformat(token.text)
            case "word" if token.text.lower() in {"true", "false", "null"}:
                return {"true": True, "false": False, "null": None}[token.text.lower()]
            case _:
                self.place -= 1
                raise self._unexpected()

    def _order(self, sobject: SObject) -> list[tuple[Callable[[Record], Any], bool, bool]]:
        self._expect("BY")
        found = []
        while True:
            path = self._path(sobject, self._next("word"))
            down = bool(self._take("DESC"))
            if not down:
                self._take("ASC")
            first = True
            if self._take("NULLS"):
                first = bool(self._take("FIRST"))
                if not first:
                    self._expect("LAST")
            found.append((_comparable(reader(self.org, path), path[-1].field.type), down, first))
            if not self._take(","):
                return found

    # ---- fields

    def _path(self, sobject: SObject, token: _Token) -> list[Step]:
        found: list[Step] = []
        here, parts = sobject, token.text.split(".")
        if len(parts) > 1 and parts[0].lower() == sobject.name.lower():
            parts = parts[1:]
        for part in parts[:-1]:
            step = next((each for each in here.visible if (each.relationship or "").lower() == part.lower()), None)
            if step is None:
                words = f"Didn't understand relationship '{part}' in field path. If you are attempting to use a custom "
                raise Refused(
                    "INVALID_FIELD",
                    f"{self._where(token)}{words}relationship, be sure to append the '__r' after the custom "
                    "relationship name. Please reference your WSDL or the describe call for the appropriate names.",
                )
            found.append(Step(step, step.relationship or ""))
            here = self.org.kind(step.refers_to[0])
        known = here.known(parts[-1])
        if known is None:
            words = (
                f"No such column '{parts[-1]}' on entity '{here.name}'. If you are attempting to use a custom field, "
                "be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe "
                "call for the appropriate names."
            )
            raise Refused("INVALID_FIELD", self._where(token) + words)
        return [*found, Step(known, known.name)]

    # ---- tokens

    def _peek_any(self) -> _Token:
        if self.place >= len(self.tokens):
            raise malformed("unexpected token: '<EOF>'")
        return self.tokens[self.place]

    def _peek(self, word: str) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place].text.upper() == word

    def _take(self, word: str) -> bool:
        found = self._peek(word)
        self.place += found
        return found

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._unexpected()

    def _next(self, kind: str) -> _Token:
        token = self._peek_any()
        if token.kind != kind:
            raise self._unexpected()
        self.place += 1
        return token

    def _unexpected(self) -> Refused:
        token = self._peek_any()
        return malformed(f"{self._where(token)}unexpected token: '{token.text}'")

    def _where(self, token: _Token) -> str:
        """The place of a token, as Salesforce draws it."""
        before = max(0, token.at - 20)
        return (
            f"\n{self.text[before : token.at + 20]}\n{' ' * (token.at - before)}^\n"
            f"ERROR at Row:1:Column:{token.at + 1}\n"
        )


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            at = place + len(text[place:]) - len(text[place:].lstrip())
            raise malformed(f"unexpected token: '{text[at]}'")
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        place = match.end()
    return found


def _plain(value: Any, kind: str) -> Any:
    """A value in the form in which it is compared: text without upper and lower case, ids in 18 characters."""
    if value is None or isinstance(value, bool):
        return value
    match kind:
        case "id" | "reference":
            return long_id(value) if len(str(value)) in {SHORT, LONG} else value
        case "datetime":
            return moment(str(value))
        case "date":
            return date.fromisoformat(str(value))
        case _ if kind in _NUMBERS:
            return float(value)
        case _:
            return str(value).lower()


def _comparable(value: Callable[[Record], Any], kind: str) -> Callable[[Record], Any]:
    return lambda record: _plain(value(record), kind)


def _like(pattern: Any) -> re.Pattern[str]:
    parts = (".*" if each == "%" else "." if each == "_" else re.escape(each) for each in str(pattern))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _compare(value: Callable[[Record], Any], sign: str, wanted: Any, kind: str) -> Test:
    def test(record: Record) -> bool:
        held = _plain(value(record), kind)
        if sign in {"=", "!=", "<>"}:
            return bool((held == wanted) == (sign == "="))
        if held is None or wanted is None:
            return False
        try:
            ahead, behind = held > wanted, held < wanted
        except TypeError:
            raise in_our_words("INVALID_FIELD", f"value of filter criterion must be of type {kind}") from None
        return bool({"<": behind, "<=": not ahead, ">": ahead, ">=": not behind}[sign])

    return test
