"""The preview window: its keys and what is drawn over the frames."""
