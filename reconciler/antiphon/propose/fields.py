"""What is proposed for one pair of columns: how it is compared, which way it flows, who wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from antiphon.mapping import Kind
from antiphon.model import Side
from antiphon.propose.names import label, meaning, words
from antiphon.propose.pairs import Pair
from antiphon.propose.streams import Column

STAMPS = frozenset({"created", "updated"})
"""Each side stamps these itself; to write them over would only make noise."""
_TAGS = frozenset({"tag", "label", "interest", "categories", "category list"})
_YES_REFUSES = ("optout", "unsubscribed", "unsubscribe", "optedout", "hasoptedoutofemail", "donotcall", "donotemail")
_NO_REFUSES = ("optin", "subscribed", "consent", "optedin", "newsletter")
"""How the names of consent end, where `true` and where `false` is the no. `unsubscribed` is looked for first."""
_LOWER = ("email", "domain", "website")


@dataclass(frozen=True, slots=True)
class FieldProposal:
    """One field. `options` are as sync.yml has them, without the columns; `reasons` become comments."""

    name: str
    columns: Mapping[Side, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    meaning: str = ""
    kind: Kind = Kind.ANY


def propose_field(pair: Pair, sides: tuple[Side, Side], *, region: str = "") -> FieldProposal | str:
    """The field that a pair of columns makes; a text says why it makes none."""
    means = meaning(pair.first.name)
    columns = dict(zip(sides, (pair.first.name, pair.second.name), strict=True))
    if means in STAMPS:
        return "each side stamps it by itself"
    if pair.first.read_only and pair.second.read_only:
        return "neither side lets it be written"
    options: dict[str, Any] = {}
    reasons = [pair.reason] if pair.reason else []
    _direction(pair, sides, options, reasons)
    _normalize(pair, means, region, options, reasons)
    if "direction" not in options:
        _policy(pair, means, options, reasons)
    _picklist(pair, sides, options, reasons)
    kinds = {pair.first.kind, pair.second.kind} - {Kind.ANY}
    if kinds == {Kind.LIST, Kind.TEXT} and options.get("policy") != "set":
        return "one side holds a list and the other a text, which would never be equal"
    if len(kinds) > 1 and options.get("policy") != "set":
        first, second = (f"{side} holds it as {column.kind}" for side, column in zip(sides, _both(pair), strict=True))
        reasons.append(f"{first}, {second}: compared as the same value")
    kind = pair.first.kind if pair.first.kind is pair.second.kind else Kind.ANY
    return FieldProposal(label(_name(pair)), columns, options, tuple(reasons), means, kind)


def _both(pair: Pair) -> tuple[Column, Column]:
    return pair.first, pair.second


def _name(pair: Pair) -> str:
    """The better readable of two names: the one with more words."""
    return max((pair.second.name, pair.first.name), key=lambda name: len(words(name)))


def _direction(pair: Pair, sides: tuple[Side, Side], options: dict[str, Any], reasons: list[str]) -> None:
    for mine, theirs, column in ((sides[0], sides[1], pair.first), (sides[1], sides[0], pair.second)):
        if column.read_only:
            options["direction"] = {"from": mine, "to": theirs}
            reasons.append(f"read-only on {mine}")


def _normalize(pair: Pair, means: str, region: str, options: dict[str, Any], reasons: list[str]) -> None:
    if not {Kind.TEXT, Kind.ANY} & {pair.first.kind, pair.second.kind}:
        return
    if means in _LOWER or "email" in (pair.first.format, pair.second.format):
        options["normalize"] = ["strip", "lower"]
        reasons.append("compared without regard to capitals; what is stored stays as it is")
    elif means in ("phone", "mobile", "fax"):
        options["normalize"] = [{"e164": region}] if region else ["e164"]
        reasons.append(
            "+39 040 111 and +39040111 are the same number"
            + ("" if region else "; numbers without a country code need a region: `normalize: [{e164: IT}]`")
        )


def _policy(pair: Pair, means: str, options: dict[str, Any], reasons: list[str]) -> None:
    kinds = {pair.first.kind, pair.second.kind}
    squeezed = means.replace(" ", "")
    if Kind.LIST in kinds or (means in _TAGS and kinds <= {Kind.TEXT, Kind.ANY}):
        options["policy"] = "set"
        reasons.append("a set: what either side adds or removes is added or removed")
        if kinds & {Kind.TEXT, Kind.ANY}:
            options["separator"] = ";"
            reasons.append("is `;` what stands between its members?")
    elif kinds & {Kind.BOOLEAN} and squeezed.endswith(_YES_REFUSES):
        options["policy"] = {"optout": [True]}
        reasons.append("consent: a no of either side beats a yes")
    elif kinds & {Kind.BOOLEAN} and squeezed.endswith(_NO_REFUSES):
        options["policy"] = "optout"
        reasons.append("consent: a no of either side beats a yes")


def _picklist(pair: Pair, sides: tuple[Side, Side], options: dict[str, Any], reasons: list[str]) -> None:
    first, second = pair.first.choices, pair.second.choices
    if not first and not second:
        return
    if not first or not second:
        here, choices = (sides[0], first) if first else (sides[1], second)
        reasons.append(f"{here} takes only {_some(choices)}")
        return
    if set(first) == set(second):
        return
    theirs = {_plain(choice): choice for choice in second}
    named = {choice: theirs[_plain(choice)] for choice in first if _plain(choice) in theirs}
    if named and len(set(named.values())) == len(named):
        options["values"] = {
            sides[0]: {mine: mine for mine in named},
            sides[1]: dict(named),
        }
    loners = [
        f"{side}: {_some(tuple(rest))}"
        for side, rest in (
            (sides[0], [choice for choice in first if choice not in named]),
            (sides[1], [choice for choice in second if choice not in named.values()]),
        )
        if rest
    ]
    if loners:
        wait = "wait for a person until `values:` names them" if "values" in options else "may be refused over there"
        reasons.append(f"values without a partner {wait}: {'; '.join(loners)}")


def _plain(choice: str) -> str:
    return "".join(c for c in choice.casefold() if c.isalnum())


def _some(choices: tuple[str, ...]) -> str:
    most = 6
    return ", ".join(choices[:most]) + (f" and {len(choices) - most} more" if len(choices) > most else "")
