"""Demuxing and decoding a video from one place in its file on, and what was lost on the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from livestyle.errors import DecodeError, reason_of
from livestyle.frame import StreamInfo
from livestyle.media.clock import Clock
from livestyle.media.pyav import InputContainer, Packet, av, fraction_of
from livestyle.media.refusals import is_damaged
from livestyle.media.timeline import start_of
from livestyle.sources.files.cut_short import is_cut_short
from livestyle.sources.files.deinterlace import Deinterlacer

log = logging.getLogger("livestyle")

_UNUSUAL = Fraction(1, 2)  # seconds by which a header may be wrong without a word


class Reading:
    """Demuxing and decoding from one place in the file on; counts what was lost."""

    def __init__(
        self,
        container: InputContainer,
        stream: av.VideoStream,
        path: Path,
        closing: threading.Event,
        whole: Deinterlacer,
        decoder: av.VideoCodecContext | None,
    ) -> None:
        """`whole`: makes whole frames of fields; `decoder`: instead of the stream's own."""
        self._closing = closing
        self._stream = stream
        self._decoder = decoder or stream.codec_context
        self._path = path
        self._packets = self._demux(container)
        self._ready: list[av.VideoFrame] = []
        self._done = False
        self._broken: str | None = None  # what FFmpeg said when the file broke off
        self._damaged = 0  # packets that could not be decoded
        self._seen = 0  # video packets
        self._end: dict[int, Fraction] = {}  # stream index -> end of its last packet, seconds on the file's clock
        self._times_noted = False
        self._container = container
        self._clock = Clock(container)
        self._whole = whole
        self._ends_broken = False  # whether the last packet is incomplete

    def next(self) -> av.VideoFrame | None:
        """The next decoded frame in presentation order, None at the end and when closing."""
        while not self._ready and not self._done:
            packet = next(self._packets, None)
            if self._closing.is_set():
                return None
            self._done = packet is None
            self._ready = [whole for frame in self._decode(packet) for whole in self._whole.put(frame)]
            if self._done:
                self._ready += self._whole.finish()
        return self._ready.pop(0) if self._ready else None

    def note_damage(self) -> None:
        """Count a frame that is lost."""
        self._damaged += 1

    def note_time(self, pts: int, last: int) -> None:
        """Log once that frames whose times do not increase are moved apart."""
        if not self._times_noted:
            self._times_noted = True
            log.info("%s has frames whose times do not increase (%d after %d): moved apart", self._path, pts, last)

    @property
    def clock_jumped(self) -> bool:
        """Whether the file's clock jumped so far."""
        return self._clock.jumped

    def check_complete(self, last_pts: int | None, info: StreamInfo) -> None:
        """Raise DecodeError when fewer pictures came than the file announces."""
        missing = self._missing(info)
        if missing:
            raise DecodeError(
                is_damaged(self._path, missing),
                hint="the output holds all the frames there were",
            )

    def _demux(self, container: InputContainer) -> Iterator[Packet]:
        """Video packets; the others only show how far the file goes."""
        try:
            for packet in container.demux():
                if self._closing.is_set():
                    return
                if packet.size == 0 and packet.pts is None:
                    continue  # PyAV's own end marks
                self._ends_broken = packet.is_corrupt
                self._clock.correct(packet)
                self._count(packet)
                if packet.stream.index == self._stream.index:
                    self._seen += 1
                    yield packet
        except Exception as error:
            self._broken = reason_of(error)

    def _count(self, packet: Packet) -> None:
        moment = packet.pts if packet.pts is not None else packet.dts
        time_base = fraction_of(packet.time_base)
        if moment is not None and time_base:
            end = Fraction(moment + (packet.duration or 0)) * time_base
            index = packet.stream.index
            self._end[index] = max(end, self._end.get(index, end))

    def _decode(self, packet: Packet | None) -> list[av.VideoFrame]:
        try:
            return list(self._decoder.decode(packet))
        except av.error.EOFError:
            return []
        except Exception:
            log.debug("a packet of %s cannot be decoded", self._path, exc_info=True)
            self._damaged += 1
            return []

    def _missing(self, info: StreamInfo) -> str:
        gap = self._gap(info)
        if gap and self._is_cut(info):
            frames = self._stream.frames - self._seen if info.start == 0 and self._stream.frames else 0
            many = f"{frames} of {self._stream.frames} frames, " if frames > 0 else ""
            return f"the last {many}{float(gap):.2f} s are missing"
        if self._broken:
            return f"reading failed ({self._broken})"
        if self._damaged:
            return f"{self._damaged} of {self._seen} video packets could not be decoded"
        # FFmpeg estimates how long a cut ASF file is, so that it has no gap.
        if (gap is None or self._container.format.name == "asf") and self._is_cut(info):
            return "its end is missing"
        if gap and gap > _UNUSUAL:
            log.warning(
                "%s announces %.2f s more than it holds; nothing else shows that any are missing", self._path, gap
            )
        return ""

    def _is_cut(self, info: StreamInfo) -> bool:
        """Whether there is evidence: a broken end, or an index that lists frames which are not there."""
        indexed = self._container.format.name.startswith("mov") and info.start == 0
        return (indexed and self._seen < self._stream.frames) or self._ends_broken or is_cut_short(self._path)

    def _gap(self, info: StreamInfo) -> Fraction | None:
        """Seconds between the end that the file announces and that of its data, 0 for the usual; None: it does not say.

        Files whose clock begins late announce either the end or the length: the smaller gap counts.
        """
        if self._clock.jumped:  # it announces what its clock says
            return Fraction(0)
        frame = 1 / (info.rate or Fraction(25))
        announced, begins = self._announced_video()
        if announced is not None:
            end, usual = self._end.get(self._stream.index, Fraction(0)), frame * Fraction(3, 2)
        elif self._container.duration is not None and self._end:
            # Matroska says only how long the longest stream is, rounded, so be generous.
            announced, begins = Fraction(self._container.duration, 1_000_000), start_of(self._container)
            end, usual = max(self._end.values()), max(2 * frame, _UNUSUAL)
        else:
            return None
        gap = min(announced, announced + begins) - end
        return gap if gap > usual else Fraction(0)

    def _announced_video(self) -> tuple[Fraction | None, Fraction]:
        """Seconds that the video lasts and at which it begins; None where it does not say."""
        time_base = fraction_of(self._stream.time_base)
        if not self._stream.duration or time_base is None:
            return None, Fraction(0)
        return self._stream.duration * time_base, (self._stream.start_time or 0) * time_base
