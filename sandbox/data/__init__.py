"""The parts of the made-up data: names, Minox master data, QMS rows and invoices."""
