"""Where frames go: windows, video files, virtual cameras, photos."""
