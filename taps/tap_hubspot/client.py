"""What all streams of the tap share: the account that they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_kit import EnvelopeStream

if TYPE_CHECKING:
    from tap_hubspot.api import HubSpot
    from tap_hubspot.tap import TapHubSpot


class HubSpotStream(EnvelopeStream):
    """A stream of HubSpot."""

    def __init__(self, tap: TapHubSpot, name: str, schema: dict[str, Any] | None = None) -> None:
        super().__init__(tap, schema, name)
        self._hubspot_tap = tap

    @property
    def hubspot(self) -> HubSpot:
        """The account."""
        return self._hubspot_tap.hubspot

    def account_and_clock(self) -> dict[str, Any]:
        """Which account is read, and what time it is there."""
        portal = self.hubspot.account().portal
        return {"account": f"hubspot:{portal}", "clock": self.hubspot.session.clock().isoformat()}
