"""The pure core: settings, wire types, mappings, bookings, checks, alerts, and the storage."""
