"""One round: collect, plan, deliver, confirm."""
