"""Salesforce's errors, word for word where a recording or an integrator's report gives them.

Where there is neither, `in_our_words` says so: the code is Salesforce's, the words are not.

A request for one record is answered with `[{"message", "errorCode", "fields"}]` and a status of HTTP; in a collection
the same error stands in the record's result as `{"statusCode", "message", "fields"}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class Refused(Exception):
    """The API refuses a request or a record. `fields` is None where Salesforce does not name any."""

    code: str
    message: str
    status: int = HTTPStatus.BAD_REQUEST
    fields: Sequence[str] | None = None

    @property
    def body(self) -> Any:
        """The body of a request for one record."""
        named = {} if self.fields is None else {"fields": list(self.fields)}
        return [{"message": self.message, "errorCode": self.code, **named}]

    @property
    def as_result(self) -> dict[str, Any]:
        """The result of a record in a collection; a failed one has no id."""
        error = {"statusCode": self.code, "message": self.message, "fields": list(self.fields or ())}
        return {"success": False, "errors": [error]}


def refuse(code: str, message: str, *fields: str) -> Refused:
    """A record is refused because of these fields, or of none in particular."""
    return Refused(code, message, fields=fields)


def in_our_words(code: str, message: str, *fields: str, status: int = HTTPStatus.BAD_REQUEST) -> Refused:
    """A refusal that Salesforce documents, but whose words nobody recorded."""
    return Refused(code, message, status, fields or None)


def not_found() -> Refused:
    """No such record or path."""
    return Refused("NOT_FOUND", "The requested resource does not exist", HTTPStatus.NOT_FOUND)


def no_such_key(value: str) -> Refused:
    """The path holds neither an id nor a field of external ids."""
    words = f"Provided external ID field does not exist or is not accessible: {value}"
    return Refused("NOT_FOUND", words, HTTPStatus.NOT_FOUND)


def deleted() -> Refused:
    """A write to a record in the recycle bin."""
    return Refused("ENTITY_IS_DELETED", "entity is deleted", HTTPStatus.NOT_FOUND, ())


def no_such_column(name: str, kind: str) -> Refused:
    """A write names a field that is not there."""
    return Refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind}")


def no_such_parent(value: str, name: str, kind: str) -> Refused:
    """A reference by external id names nobody."""
    return refuse("INVALID_FIELD", f"Foreign key external ID: {value} not found for field {name} in entity {kind}")


def no_such_external_id(name: str, kind: str) -> Refused:
    """A reference names the other record by a field that is no external id."""
    words = f"Field name provided, {name} does not match an External ID, Salesforce Id, or indexed field for {kind}"
    return refuse("INVALID_FIELD", words)


def not_writable(names: Sequence[str]) -> Refused:
    """A write names fields that Salesforce sets by itself."""
    return refuse(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of this field and "
        "verify that it is read/write for your profile or permission set.",
        *names,
    )


def required(names: Sequence[str]) -> Refused:
    """A value that must be there is not."""
    return refuse("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", *names)


def duplicate(name: str, record_id: str) -> Refused:
    """Another record holds the unique value; its id is told in 15 characters."""
    words = f"duplicate value found: {name} duplicates value on record with id: {record_id[:15]}"
    return refuse("DUPLICATE_VALUE", words, name)


def bad_json(kind: str, value: Any) -> Refused:
    """A value is none of its field's type: the whole request is refused, a collection too."""
    token = {bool: "VALUE_TRUE" if value else "VALUE_FALSE", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}
    words = (
        f"Cannot deserialize instance of {kind} from {token.get(type(value), 'VALUE_STRING')} value {value} "
        "or request may be missing a required field at [line:1, column:2]"
    )
    return Refused("JSON_PARSER_ERROR", words)


def rolled_back() -> Refused:
    """The record was good; another of a collection with `allOrNone` was not."""
    return refuse(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )


def locked(record_id: str) -> Refused:
    """Another transaction holds the record."""
    words = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
    return refuse("UNABLE_TO_LOCK_ROW", words)


def no_session() -> Refused:
    """The token has ended, or never was."""
    return Refused("INVALID_SESSION_ID", "Session expired or invalid", HTTPStatus.UNAUTHORIZED)


def over_limit(words: str = "TotalRequests Limit exceeded.") -> Refused:
    """The day's requests are used up."""
    return Refused("REQUEST_LIMIT_EXCEEDED", words, HTTPStatus.FORBIDDEN)


def malformed(words: str) -> Refused:
    """The query is no SOQL, or more of it than the sandbox reads."""
    return Refused("MALFORMED_QUERY", words)
