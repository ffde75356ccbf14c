"""The seams. Implement one of these to add a source, a sink, a model, a colour backend or a maker of masks.

Subclassing is not needed. `tests/contract/` runs one suite over every implementation of a protocol: add yours to its
list, and it is held to the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from livestyle.frame import Frame, Picture, Pixels, PlaneWeights, Probabilities, StreamInfo

Render = Callable[[Frame], Frame]
"""A styled frame for a frame: same size, dtype, pts and captured. One in, one out."""


@runtime_checkable
class Source(Protocol):
    """Frames in order. Opening happens in the constructor (errors: InputError, BackendError)."""

    @property
    def info(self) -> StreamInfo:
        """Known before the first frame and constant afterwards, except `size` of a camera that was reconnected."""

    def __iter__(self) -> Iterator[Frame]:
        """Iterate once, on any one thread. `pts` strictly increases.

        Raises DecodeError after the last readable frame of a broken file. A live source that loses its device yields
        nothing until the device is back (logging that it waits), and returns only when it is closed.
        """

    def close(self) -> None:
        """Release the device or file; may be called from another thread, and twice. Iteration then ends soon."""


@runtime_checkable
class Sink(Protocol):
    """A place for frames. Opening happens in the constructor.

    After that, all calls come from one thread: the main one, or (live, for recordings and virtual cameras) that of a
    livestyle.sinks.queued.QueuedSink, which also closes it.
    """

    @property
    def closed(self) -> bool:
        """True once the user closed it (a window) or `close` was called; the loop then ends."""

    def write(self, frame: Frame) -> None:
        """Take one frame. Raises EncodeError or BackendError; never keeps `frame.pixels` beyond the call."""

    def idle(self) -> None:
        """Called when no frame came for 50 ms: pump window events, keep a device alive. Must return at once."""

    def close(self) -> None:
        """Finish the output, also after an error elsewhere; twice is fine. With no frame written, leave nothing."""


@runtime_checkable
class Segmenter(Protocol):
    """Class probabilities for one picture. Keeps nothing between calls, so one instance serves any stream."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the C output planes; classes[0] == "background"."""

    @property
    def regions(self) -> Mapping[str, str]:
        """Class name -> one of livestyle.frame.REGIONS."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) in pixels at which the network sees a picture of the model's own aspect."""

    @property
    def device(self) -> str:
        """Where it really runs, now or last, such as "cpu", "cuda" or "mps"."""

    def __call__(self, picture: Picture, /) -> Probabilities:
        """(H, W, 3) uint8 RGB -> (C, h, w) float32 in [0, 1], sum over C is 1; (h, w) covers the whole picture.

        Any H, W >= 1. Thread-safe. Raises ModelError, DeviceError and DeviceMemoryError.
        """


@runtime_checkable
class ResizableSegmenter(Segmenter, Protocol):
    """A segmenter whose network can run at another size."""

    def resized(self, share: float) -> ResizableSegmenter:
        """The same model at an `input_size` whose sides are about `share` of this one's: less work, coarser masks.

        Both share the model in memory; this one stays as it is.
        """


@runtime_checkable
class Grade(Protocol):
    """A style compiled for one device. Pure: the same arguments give the same pixels."""

    @property
    def is_identity(self) -> bool:
        """True when no pixel can change (intensity 0); the caller may then skip segmentation."""

    @property
    def backend(self) -> str:
        """What does the work, now or last: "compiled", "numpy", "triton", "metal", "torch"."""

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        """(H, W, 3) uint8 or uint16 RGB and (R, h, w) region weights -> new (H, W, 3) pixels of the same dtype.

        out = in + sum over regions r of w_r * (look_r(in) - in), with w_r enlarged bilinearly (pixel centres aligned,
        edges clamped: cv2.INTER_LINEAR's geometry) and look_r interpolated tetrahedrally, within 1/255 of full scale
        of the same formula in float64.
        """


@runtime_checkable
class MaskMaker(Protocol):
    """Region weights of one stream's frames. Holds the state of the stream; whoever opens it closes it."""

    def weights(self, frame: Frame) -> PlaneWeights:
        """(R, h, w) float32 in [0, 1] with h <= H and w <= W; the sum over R is at most 1, less where the style fades.

        Once for each frame, in order, from one thread. Raises what the segmenter raises, also where that runs on
        another thread, and StreamError where no mask comes in time.
        """

    def stats(self) -> Mapping[str, object]:
        """For the report: sync, device, masks, masks_per_s, the age of masks in seconds as age_p50_s, age_p95_s.

        And people: how many are in the picture now. Rate and ages are None before they can be known.
        """

    def close(self) -> None:
        """End its threads and release what it opened; `weights` is not called again. Twice is fine."""
