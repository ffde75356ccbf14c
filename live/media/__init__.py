"""Media files and pictures: PyAV and OpenCV, colour tags, sizes, text on pictures."""
