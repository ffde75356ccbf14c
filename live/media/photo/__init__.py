"""What a photo file holds: its format, samples that Pillow cannot read, how colour is described, metadata."""
