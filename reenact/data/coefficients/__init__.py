"""Clips with coefficients of the Basel Face Model that other projects have prepared, as a store."""
