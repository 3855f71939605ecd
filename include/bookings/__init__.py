"""From invoices of QMS to sales entries of Minox: the pure part."""
