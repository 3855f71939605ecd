"""What both stand-ins share: JSON, contracts, OAuth, recorded requests, faults, controls and pages."""
