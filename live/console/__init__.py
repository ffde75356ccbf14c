"""The terminal: text made safe to print, messages, progress, the process title."""
