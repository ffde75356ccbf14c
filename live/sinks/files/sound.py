"""Sound that a container cannot carry as it is: decoded, and encoded in a codec that it can."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from livestyle.media.pyav import OutputContainer, Packet, Stream, av, fraction_of
from livestyle.sinks.files.carrying import SoundCodec
from livestyle.sinks.files.packet_copy import ticks_of

log = logging.getLogger("livestyle")

_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_FEWER = {7: 6}  # channels for which the encoders have no layout, and what they are mixed to
_LOOSE = Fraction(1, 10)  # seconds by which times may differ from the count of samples before that is corrected
_FRAME = 1024  # samples, for encoders that take any number
_LONGEST_SILENCE = 3600  # seconds; more is a damaged time


class EncodedSound:
    """Encodes one stream of sound into the output. Times are counted in samples, so that they never go back.

    Where the source has a gap there is silence; what it says twice is said once.
    """

    def __init__(self, source: Stream, output: OutputContainer, codec: SoundCodec) -> None:
        """Add a stream for `source` to `output`. Raises any exception that PyAV may have for it."""
        context: Any = source.codec_context
        channels = min(context.channels, codec.most_channels)
        self._layout = _LAYOUTS[_FEWER.get(channels, channels)]
        self._rate = _nearest_rate(codec.name, max(context.sample_rate, codec.least_rate))
        self._format = codec.sample_format
        self.target: Any = output.add_stream(codec.name, rate=self._rate, layout=self._layout)
        encoder: Any = self.target.codec_context
        encoder.format = codec.sample_format
        encoder.bit_rate = codec.bit_rate * len(encoder.layout.channels)
        encoder.open()
        self._channels = len(encoder.layout.channels)
        self._size = encoder.frame_size or _FRAME
        self._context = context
        self._resampler = av.AudioResampler(self._format, self._layout, self._rate)
        self._fifo = av.AudioFifo()
        self._first: int | None = None  # sample of the output's clock at which the sound begins
        self._taken = 0  # samples put into the buffer
        self._given = 0  # samples handed to the encoder
        self._span: tuple[Fraction | None, Fraction | None] = (None, None)
        self._origin = Fraction(0)

    def write(
        self,
        output: OutputContainer,
        packet: Packet,
        start: Fraction | None,
        until: Fraction | None,
        origin: Fraction,
    ) -> None:
        """Decode a packet and encode what lies inside start..until (seconds, source clock)."""
        self._span, self._origin = (start, until), origin
        base = fraction_of(packet.time_base) or Fraction(1)
        self._decode(packet, ticks_of(packet) * base)
        self._encode(output, partial=False)

    def finish(self, output: OutputContainer) -> None:
        """Encode what is left."""
        self._decode(None, Fraction(0))
        self._put(None)
        self._encode(output, partial=True)
        if self._given:
            for packet in self.target.encode(None):
                output.mux_one(packet)

    def _decode(self, packet: Packet | None, moment: Fraction) -> None:
        try:
            frames = self._context.decode(packet)
        except Exception:  # a damaged packet costs its own sound only
            log.debug("a packet of sound cannot be decoded", exc_info=True)
            return
        for frame in frames:
            base = fraction_of(frame.time_base)
            if frame.pts is not None and base is not None:
                moment = frame.pts * base
            if self._wants(moment):
                self._align(moment - self._origin)
                self._put(frame)

    def _wants(self, moment: Fraction) -> bool:
        start, until = self._span
        return (start is None or moment >= start) and (until is None or moment < until)

    def _align(self, moment: Fraction) -> None:
        """Silence where the sound continues later than it should."""
        if self._first is None:
            self._first = round(moment * self._rate)
        late = round(moment * self._rate) - self._first - self._taken
        if _LOOSE * self._rate < late <= _LONGEST_SILENCE * self._rate:
            self._put_silence(late)

    def _put(self, frame: av.AudioFrame | None) -> None:
        """Into the buffer, resampled; None: what the resampler still holds."""
        if frame is None and self._first is None:
            return
        if frame is not None:
            frame.pts = None
            if not frame.layout.name or frame.layout.name.endswith("channels"):
                frame = _with_layout(frame)
        for part in self._resampler.resample(frame):
            self._keep(part)

    def _put_silence(self, samples: int) -> None:
        while samples > 0:
            count = min(samples, self._rate)
            shape = (self._channels, count) if self._format.endswith("p") else (1, count * self._channels)
            silent = av.AudioFrame.from_ndarray(np.zeros(shape, np.float32), self._format, self._layout)
            silent.sample_rate = self._rate
            self._keep(silent)
            samples -= count

    def _keep(self, part: av.AudioFrame) -> None:
        part.pts = None
        self._taken += part.samples
        self._fifo.write(part)

    def _encode(self, output: OutputContainer, *, partial: bool) -> None:
        for frame in self._frames(partial=partial):
            frame.pts, frame.time_base = (self._first or 0) + self._given, Fraction(1, self._rate)
            self._given += frame.samples
            for packet in self.target.encode(frame):
                output.mux_one(packet)

    def _frames(self, *, partial: bool) -> Iterator[av.AudioFrame]:
        while (frame := self._fifo.read(self._size)) is not None:
            yield frame
        if partial and self._fifo.samples and (frame := self._fifo.read(self._fifo.samples)) is not None:
            yield frame


def _nearest_rate(codec: str, rate: int) -> int:
    """Samples per second that the encoder takes: `rate`, else the next higher one, else its highest."""
    offered = sorted(av.Codec(codec, "w").audio_rates or ())
    if not offered or rate in offered:
        return rate
    return next((one for one in offered if one > rate), offered[-1])


def _with_layout(frame: av.AudioFrame) -> av.AudioFrame:
    """The same samples, in the usual order of as many channels: files without an order of their own mean that."""
    channels = len(frame.layout.channels)
    named = av.AudioFrame.from_ndarray(frame.to_ndarray(), frame.format.name, _LAYOUTS.get(channels, "stereo"))
    named.sample_rate = frame.sample_rate
    return named
