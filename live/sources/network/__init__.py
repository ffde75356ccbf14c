"""Network cameras: addresses, HTTP, Motion JPEG, and the rest through FFmpeg."""
