"""Virtual cameras: what video calls see as a webcam."""
