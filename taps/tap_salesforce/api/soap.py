"""Taking records out of the recycle bin: the one thing that REST cannot do, and the SOAP API can.

Source: Salesforce docs, "SOAP API Developer Guide", "undelete()": two hundred ids in a call, a result for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from tap_kit import in_batches
from tap_salesforce.api.errors import MaybeApplied
from tap_salesforce.api.session import CLIENT, Session

_MOST = 200
_NAMES = {"p": "urn:partner.soap.sforce.com"}
_HEADERS = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:p="urn:partner.soap.sforce.com"><e:Header><p:SessionHeader><p:sessionId>{token}</p:sessionId>'
    "</p:SessionHeader><p:CallOptions><p:client>{client}</p:client></p:CallOptions></e:Header>"
    "<e:Body><p:undelete>{ids}</p:undelete></e:Body></e:Envelope>"
)


def undelete(session: Session, ids: Sequence[str], what: str) -> list[str]:
    """Take records out of the recycle bin; why not, for each, the empty text for those that are out.

    One that is out already is told by Salesforce like any other that is not in the bin: look before it is done again.
    Raises the errors of `tap_salesforce.api.errors`.
    """
    told = []
    for some in in_batches(ids, _MOST):
        listed = "".join(f"<p:ids>{escape(each)}</p:ids>" for each in some)

        def envelope(token: str, listed: str = listed) -> bytes:
            return _ENVELOPE.format(token=escape(token), client=CLIENT, ids=listed).encode()

        shown = session.text(session.soap, body=envelope, headers=_HEADERS, what=what)
        try:
            results = ET.fromstring(shown).findall(".//p:result", _NAMES)  # noqa: S314 - Salesforce's own
        except ET.ParseError as error:
            raise MaybeApplied(f"{what}: Salesforce's answer cannot be read ({error})") from error
        for result in results:
            good = result.findtext("p:success", "", _NAMES) == "true"
            code = result.findtext("p:errors/p:statusCode", "", _NAMES)
            words = result.findtext("p:errors/p:message", "no reason is given", _NAMES)
            told.append("" if good else f"{words} ({code})")
    return told
