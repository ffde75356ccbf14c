"""Copies the packets of one stream into another file."""

from __future__ import annotations

from fractions import Fraction

from livestyle.media.pyav import OutputContainer, Packet, Stream, av, codec_name, fraction_of
from livestyle.media.timeline import first_tick
from livestyle.sinks.files.subtitles import convert_text


class PacketCopy:
    """Copies one stream into the output."""

    def __init__(self, source: Stream, target: Stream, convert_to: str | None = None) -> None:
        self._base = time_base_of(source)
        self._codec = codec_name(source)
        self._target = target
        self._convert_to = convert_to
        self._last = -(1 << 62)
        self._is_text = source.type == "subtitle"

    def write(
        self,
        output: OutputContainer,
        packet: Packet,
        start: Fraction | None,
        until: Fraction | None,
        origin: Fraction,
    ) -> None:
        """Write a packet of this stream, unless it lies outside start..until (seconds, source clock)."""
        begin = ticks_of(packet)
        end = begin + (packet.duration or 0)
        if start is not None:
            begin, dropped = self._cut(begin, end, first_tick(start, self._base))
            if dropped:
                return
        if until is not None and begin >= first_tick(until, self._base):
            return
        if until is not None and self._is_text:
            end = min(end, first_tick(until, self._base))
        shift = round(origin / self._base)
        reorder = 0 if packet.dts is None or packet.pts is None else packet.dts - packet.pts
        self._mux(output, packet, begin - shift, end - begin, reorder)

    def _cut(self, begin: int, end: int, start: int) -> tuple[int, bool]:
        """A subtitle that is still shown at `start` begins there; other packets before it are dropped."""
        if begin >= start:
            return begin, False
        return start, not (self._is_text and end > start)

    def _mux(self, output: OutputContainer, packet: Packet, pts: int, duration: int, reorder: int) -> None:
        if self._convert_to is not None:
            data = convert_text(bytes(packet), self._codec, self._convert_to)
            if not data:
                return
            packet = av.Packet(data)
        base = fraction_of(self._target.time_base) or self._base  # the muxer's, which may be coarser
        pts, dts, duration = (round(ticks * self._base / base) for ticks in (pts, pts + reorder, duration))
        dts = max(dts, self._last + 1)  # muxers refuse times that do not increase
        self._last = dts
        packet.stream, packet.time_base = self._target, base
        packet.dts, packet.pts, packet.duration = dts, max(pts, dts) if reorder <= 0 else pts, duration
        output.mux_one(packet)

    def finish(self, output: OutputContainer) -> None:
        """Nothing is held back."""


def ticks_of(packet: Packet) -> int:
    """When a packet's content begins, in its stream's time base; 0 for one that does not say."""
    return packet.pts if packet.pts is not None else packet.dts or 0


def moment_of(packet: Packet) -> Fraction:
    """When a packet is decoded, in seconds on the file's clock."""
    ticks = packet.dts if packet.dts is not None else ticks_of(packet)
    return ticks * (fraction_of(packet.time_base) or Fraction(0))


def time_base_of(stream: Stream) -> Fraction:
    """Seconds per tick. Raises ValueError for a stream that does not say, which cannot be carried."""
    base = fraction_of(stream.time_base)
    if base is None:
        raise ValueError("the stream has no time base")
    return base
