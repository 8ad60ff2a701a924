"""The one call of the SOAP API that REST lacks: `undelete`, for at most two hundred records.

Source: Salesforce docs, "SOAP API Developer Guide", "undelete()", "UndeleteResult", "API Fault Element".
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from antiphon_sandbox.salesforce.errors import Refused
from antiphon_sandbox.salesforce.oauth import App
from antiphon_sandbox.salesforce.org import Org
from antiphon_sandbox.salesforce.request import Reply

PATH = "/services/Soap/u/"
MOST = 200
_NAMES = {"p": "urn:partner.soap.sforce.com"}
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body></soapenv:Envelope>'
)


def answer(org: Org, app: App, raw: bytes) -> Reply:
    """What is said to a call."""
    try:
        asked = ET.fromstring(raw)  # noqa: S314 - a test sends it
        app.check(_text(asked.find(".//p:sessionId", _NAMES)))
        call = asked.find(".//p:undelete", _NAMES)
        if call is None:
            return _fault("soapenv:Client", "the sandbox knows undelete() alone")
        ids = [_text(each) for each in call.findall("p:ids", _NAMES)]
    except ET.ParseError as error:
        return _fault("soapenv:Client", str(error))
    except Refused:
        words = "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session"
        return _fault("sf:INVALID_SESSION_ID", words)
    if len(ids) > MOST:
        return _fault("sf:EXCEEDED_ID_LIMIT", f"EXCEEDED_ID_LIMIT: record limit reached. more than {MOST} ids")
    with org.lock:
        results = "".join(_undeleted(org, each) for each in ids)
    return _xml(HTTPStatus.OK, f"<undeleteResponse>{results}</undeleteResponse>")


def _undeleted(org: Org, key: str) -> str:
    record = org.records.get(key)
    if record is not None and record.in_bin and not record.values.get("MasterRecordId"):
        org.restore(key)
        return f"<result><id>{key}</id><success>true</success></result>"
    words = "Entity is not in the recycle bin"
    error = f"<errors><message>{words}</message><statusCode>UNDELETE_FAILED</statusCode></errors>"
    return f'<result>{error}<id xsi:nil="true"/><success>false</success></result>'


def _fault(code: str, words: str) -> Reply:
    inner = f"<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{escape(words)}</faultstring></soapenv:Fault>"
    return _xml(HTTPStatus.INTERNAL_SERVER_ERROR, inner)


def _xml(status: int, inner: str) -> Reply:
    return Reply(status, _ENVELOPE.format(inner).encode(), kind="text/xml; charset=utf-8")


def _text(element: Any) -> str:
    return "" if element is None else str(element.text or "")
