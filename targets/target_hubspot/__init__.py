"""target-hubspot: HubSpot's CRM as a Singer target."""
