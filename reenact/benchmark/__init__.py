"""Tables of numbers that can be made again: specifications, rows that are trained and scored, reports."""
