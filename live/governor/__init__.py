"""Keeps a live run within its budget of latency and processor time."""
