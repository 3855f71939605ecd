"""What staged records must be, and how that is found out."""
