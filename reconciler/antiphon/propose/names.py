"""How alike two names are: `firstname` and `first_name`, `zip` and `postal_code`, `contacts` and `customer`."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

SAME, KIN, ALIKE = 1.0, 0.95, 0.75
"""The same words; two words for one thing; one name within the other, or spelled much alike."""

_KINDRED = (
    ("email", "mail", "e mail", "email address", "mail address", "emailaddress"),
    ("phone", "telephone", "tel", "phone number", "phonenumber", "telephone number"),
    ("mobile", "mobile phone", "mobilephone", "cell", "cell phone", "mobile number"),
    ("first name", "firstname", "given name", "givenname", "fname", "forename"),
    ("last name", "lastname", "surname", "family name", "familyname", "lname"),
    ("full name", "fullname", "display name"),
    ("zip", "zip code", "zipcode", "postal code", "postalcode", "postcode"),
    ("city", "town"),
    ("street", "address", "street address", "address line 1", "address 1", "address1"),
    ("state", "region", "province"),
    ("job title", "jobtitle", "title", "position"),
    ("website", "url", "homepage", "web site"),
    ("birthday", "birthdate", "birth date", "date of birth", "dob"),
    ("stage", "lifecycle stage", "lifecyclestage", "lifecycle"),
    ("note", "comment", "remark", "description"),
    ("company", "account", "organization", "organisation", "org", "firm"),
    ("contact", "customer", "person", "client"),
    ("deal", "opportunity"),
    ("product", "item", "article"),
    ("created", "created at", "created date", "createdate", "create date", "createdon", "created on", "inserted at"),
    (
        *("updated", "updated at", "lastmodifieddate", "last modified date", "last modified", "modified at"),
        *("modified", "updated on", "systemmodstamp", "system modstamp", "last modified at", "modifiedon"),
    ),
)
_KIN = {word: group[0] for group in _KINDRED for word in group}
_PREFIXES = frozenset({"hs", "sf", "sfdc", "fk", "c", "dim", "stg", "public", "dbo"})
"""Words before a name that say which system or schema it is of."""
_IRREGULAR = {"people": "person", "addresses": "address", "statuses": "status"}
_CLOSE = 0.87


def label(name: str) -> str:
    """The name as sync.yml would have it: `hs_EmailAddress__c` becomes `email_address`."""
    return "_".join(_parts(name))


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case and singular, without what a system puts around it."""
    return tuple(_singular(part) for part in _parts(name))


def _parts(name: str) -> list[str]:
    bare = re.sub(r"__c$", "", name)
    found = [part.lower() for part in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", bare)]
    while len(found) > 1 and found[0] in _PREFIXES:
        found = found[1:]
    return found


def meaning(name: str) -> str:
    """One name for all names of a thing: `Email_Address__c` means `email`."""
    text = " ".join(words(name))
    return _KIN.get(text, text)


def likeness(one: str, other: str) -> float:
    """How alike two names are, from 0 to 1."""
    first, second = words(one), words(other)
    if not first or not second:
        return 0.0
    if first == second or "".join(first) == "".join(second):
        return SAME
    if meaning(one) == meaning(other):
        return KIN
    if set(first) < set(second) or set(second) < set(first):
        return ALIKE
    return ALIKE if SequenceMatcher(None, " ".join(first), " ".join(second)).ratio() >= _CLOSE else 0.0


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > len("ties"):
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > len("its"):
        return word[:-1]
    return word
