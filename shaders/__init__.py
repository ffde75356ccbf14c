"""Styles and the colour pass: recipes, look-up tables, the CPU kernel."""
