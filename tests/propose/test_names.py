"""Names that people give to one thing."""

from __future__ import annotations

import pytest

from antiphon.propose.names import ALIKE, KIN, SAME, label, likeness, meaning, words


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("email", "Email", SAME),
        ("firstName", "first_name", SAME),
        ("hs_lead_score", "LeadScore__c", SAME),
        ("public-contacts", "contact", SAME),
        ("firstname", "given_name", KIN),
        ("zip", "postalCode", KIN),
        ("contacts", "public-customers", KIN),
        ("companies", "Account", KIN),
        ("lifecyclestage", "stage", KIN),
        ("score", "lead_score", ALIKE),
        ("adress", "adresse", ALIKE),
        ("email", "phone", 0.0),
        ("id", "name", 0.0),
        ("", "name", 0.0),
    ],
)
def test_names_are_as_alike_as_people_say(one: str, other: str, expected: float) -> None:
    assert likeness(one, other) == likeness(other, one) == expected


def test_a_name_is_taken_to_words() -> None:
    assert words("hs_EmailAddress__c") == ("email", "address")
    assert words("HTTPStatus2") == ("http", "status", "2")
    assert (words("companies"), words("addresses"), words("people")) == (("company",), ("address",), ("person",))
    assert label("hs_Tags") == "tags"
    assert meaning("Email_Address__c") == "email"
