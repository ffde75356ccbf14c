"""Measuring livestyle: masks against sequences whose truth is known to the pixel, and on clips of one's own."""
