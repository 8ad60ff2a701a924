"""tap-hubspot: HubSpot's CRM as a Singer tap."""
