"""Invented people, the same for the same seed: what the demo and the tests fill their tables with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

FIRST = (
    "Ann",
    "Bob",
    "Carla",
    "Dan",
    "Eva",
    "Finn",
    "Grace",
    "Hugo",
    "Ines",
    "Jon",
    "Kira",
    "Leo",
    "Mona",
    "Nils",
    "Olga",
    "Pia",
)
LAST = (
    "Abel",
    "Bauer",
    "Costa",
    "Dietz",
    "Egger",
    "Fabbri",
    "Greco",
    "Holm",
    "Ivanov",
    "Jensen",
    "Klein",
    "Lund",
    "Moretti",
    "Novak",
)
CITIES = ("Rome", "Oslo", "Paris", "Graz", "Turin", "Porto", "Ghent", "Lyon", "Basel", "Malmö")
STAGES = ("lead", "mql", "sql", "customer")


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as either side may hold it."""

    number: int
    email: str
    first_name: str
    last_name: str
    city: str
    phone: str
    stage: str
    score: int

    @property
    def uuid(self) -> str:
        """A UUID that stands for the person on a side with UUID keys."""
        return str(UUID(int=0xA17 << 96 | self.number, version=4))


def people(first: int, count: int, *, seed: int = 1) -> Iterator[Person]:
    """`count` people from number `first` on; a number is the same person in every call with the same seed."""
    for number in range(first, first + count):
        chance = random.Random(f"{seed}/{number}")  # invented people, not secrets
        name, family = chance.choice(FIRST), chance.choice(LAST)
        yield Person(
            number=number,
            email=f"{name}.{family}.{number}@example.com".lower(),
            first_name=name,
            last_name=family,
            city=chance.choice(CITIES),
            phone=f"+39 06 {chance.randrange(10**7):07d}",
            stage=chance.choice(STAGES),
            score=chance.randrange(100),
        )
