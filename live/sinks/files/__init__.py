"""Videos and photos on disk: encoded, moved into place, rescued after a crash."""
