"""Real and fake counterparts to try Antiphon against: PostgreSQL clusters that pip installs, CRMs with real faults."""
