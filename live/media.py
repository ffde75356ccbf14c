"""The one place where OpenCV and PyAV are imported together.

cv2 comes first: with opencv-python >= 4.13 on Linux the other order hangs `cv2.imshow`. Everything that needs PyAV
says `from livestyle.media import av`; `import av` anywhere else is a lint error.
"""

# isort: off
import cv2
import av
import av.error
# isort: on

__all__ = ["av", "cv2"]
