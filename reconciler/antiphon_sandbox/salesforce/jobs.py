"""Jobs of Bulk API 2.0: what query and ingest have in common.

```
Open ─▶ UploadComplete ─▶ InProgress ─▶ JobComplete | Failed
  └────────────┴──────────────┴───────▶ Aborted
```
An ingest job begins at Open, a query at UploadComplete.
Time passes by polling, so that no test has to wait: a job says `InProgress` as often as `Jobs.polls`, then it is done.
Source: Salesforce docs, "Bulk API 2.0 and Bulk API Developer Guide", "Job States", "Get Information About a Query Job".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeAlias, TypeVar

from antiphon_sandbox.salesforce.errors import in_our_words, not_found

State: TypeAlias = Literal["Open", "UploadComplete", "InProgress", "JobComplete", "Failed", "Aborted"]
ENDED: frozenset[State] = frozenset({"JobComplete", "Failed", "Aborted"})

DELIMITERS: Mapping[str, str] = {
    "BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t",
}  # fmt: skip
CSV = "text/csv; charset=UTF-8"
LINE_ENDINGS: Mapping[str, str] = {"LF": "\n", "CRLF": "\r\n"}


@dataclass(slots=True)
class Job:
    """One job. `error`: the words with which it failed; `polls`: how often it is still to say that it is under way."""

    id: str
    operation: str
    object: str
    kind: Literal["V2Query", "V2Ingest"]
    created: str
    state: State
    delimiter: str = "COMMA"
    line_ending: str = "LF"
    polls: int = 1
    processed: int = 0
    error: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """All that the API shows of the job."""
        return self.shown()

    def csv(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, of: Collection[State] = ENDED) -> bytes:
        """Results, in the form that the job asks for. Raises `Refused` unless the state is one `of` these."""
        if self.state not in of:
            words = f"the job is {self.state}: it has no results"
            raise in_our_words("NOT_FOUND", words, status=HTTPStatus.NOT_FOUND)
        buffer = io.StringIO()
        writer = csv.writer(
            buffer,
            delimiter=DELIMITERS[self.delimiter],
            lineterminator=LINE_ENDINGS[self.line_ending],
            quoting=csv.QUOTE_ALL,
        )
        writer.writerow(columns)
        writer.writerows(rows)
        return buffer.getvalue().encode()

    def shown(self, **more: Any) -> dict[str, Any]:
        """What the API shows of any job, and `more`."""
        failed = {"errorMessage": self.error} if self.state == "Failed" else {}
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.object,
            "createdById": "0055g000000SANDAAA",
            "createdDate": self.created,
            "systemModstamp": self.created,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": 66.0,
            "jobType": self.kind,
            "lineEnding": self.line_ending,
            "columnDelimiter": self.delimiter,
            "numberRecordsProcessed": self.processed,
            "retries": 0,
            "totalProcessingTime": 0,
            **more,
            **failed,
        }


J = TypeVar("J", bound=Job)


@dataclass(slots=True)
class Jobs:
    """The jobs of an org.

    `polls`: how often a new job says that it is under way; `doomed`: the words with which the next jobs fail;
    `stops`: after how many rows the next jobs of ingest fail;
    `page`: the most rows of one page of results, where a client asks for no fewer.
    """

    polls: int = 1
    page: int = 50_000
    doomed: list[str] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    held: dict[str, Job] = field(default_factory=dict)

    def add(self, job: Job) -> None:
        """Keep a new job."""
        job.polls = self.polls
        self.held[job.id] = job

    def find(self, key: str, kind: type[J]) -> J:
        """The job of this kind with this id. Raises `Refused`."""
        job = self.held.get(key)
        if not isinstance(job, kind):
            raise not_found()
        return job

    def listed(self, kind: type[Job]) -> dict[str, Any]:
        """All jobs of a kind, as the API shows them."""
        shown = [each.told for each in self.held.values() if isinstance(each, kind)]
        return {"done": True, "records": shown, "nextRecordsUrl": None}

    def remove(self, key: str, kind: type[Job]) -> None:
        """Forget a job that has ended. Raises `Refused`."""
        job = self.find(key, kind)
        if job.state not in ENDED:
            raise in_our_words("INVALIDJOBSTATE", f"a job that is {job.state} cannot be deleted")
        del self.held[key]

    def step(self, job: Job) -> bool:
        """Time passes for a job; whether its work is to be done now, which is once."""
        if job.state not in {"UploadComplete", "InProgress"}:
            return False
        if job.polls > 0:
            job.polls -= 1
            job.state = "InProgress"
            return False
        if self.doomed:
            job.state, job.error = "Failed", self.doomed.pop(0)
            return False
        job.state = "JobComplete"
        return True


def abort(job: Job) -> None:
    """End a job before its time. Raises `Refused`."""
    if job.state in ENDED:
        raise in_our_words("INVALIDJOBSTATE", f"Aborting already {job.state} Job not allowed")
    job.state = "Aborted"


def choice(given: Mapping[str, Any], name: str, options: Mapping[str, Any], default: str) -> str:
    """A word of a job's definition. Raises `Refused`."""
    found = str(given.get(name) or default)
    if found not in options:
        raise in_our_words("INVALIDJOB", f"{name}: {found} is none of {', '.join(options)}")
    return found
