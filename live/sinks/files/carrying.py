"""Which sound a container can carry as it is, and what it is encoded as where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from livestyle.media.pyav import Stream, av, codec_name
from livestyle.sinks.files.containers import Container, NullFile


@dataclass(frozen=True, slots=True)
class SoundCodec:
    """An encoder for sound that every player of a container knows."""

    name: str  # FFmpeg's name of the encoder
    title: str  # what people call it
    sample_format: str
    most_channels: int
    bit_rate: int  # bits per second for each channel
    least_rate: int = 0  # samples per second; the encoder's delay is as many samples at any rate


_AAC = SoundCodec("aac", "AAC", "fltp", 8, 96_000)
_ENCODERS = {
    "webm": SoundCodec("libopus", "Opus", "flt", 8, 64_000),
    "avi": SoundCodec("libmp3lame", "MP3", "fltp", 2, 96_000, 32_000),
}
# FFmpeg writes more than these into the containers, which then few players, or none, can read.
_TS_SOUND = {"aac", "aac_latm", "ac3", "eac3", "mp1", "mp2", "mp3", "dts", "dca", "truehd", "opus"}
_AVI_SOUND = {"aac", "ac3", "mp1", "mp2", "mp3", "dts", "dca", "wmav1", "wmav2"}
_PLAIN = ("pcm_", "adpcm_")
_MP4_NEVER = ("pcm_", "adpcm_", "vorbis", "speex")
_DECODER_NAMES = {"mp3float": "mp3", "mp2float": "mp2", "mp1float": "mp1", "libopus": "opus", "libvorbis": "vorbis"}


def encoder_for(container: Container) -> SoundCodec:
    """What sound becomes that `container` cannot carry as it is."""
    return _ENCODERS.get(container.format, _AAC)


def carries_sound(container: Container, stream: Stream) -> bool:
    """Whether the sound of `stream` can be copied into `container` and is found there by players."""
    name = codec_name(stream)
    return _is_known_there(container.format, _DECODER_NAMES.get(name, name)) and _muxer_takes(container, stream)


def _is_known_there(muxer: str, codec: str) -> bool:
    if muxer == "mpegts":
        return codec in _TS_SOUND
    if muxer == "avi":
        return codec in _AVI_SOUND or codec.startswith(_PLAIN)
    return not (muxer == "mp4" and codec.startswith(_MP4_NEVER))


def _muxer_takes(container: Container, stream: Stream) -> bool:
    """By writing the beginning of such a file to nowhere: what a muxer refuses shows only there."""
    output: Any = av.open(NullFile(), "w", format=container.format)
    try:
        output.add_stream_from_template(stream, opaque=True)
        output.start_encoding()
    except Exception:  # FFmpeg's errors and PyAV's ValueError, as the stream may be damaged too
        return False
    finally:
        _close_quietly(output)
    return True


def _close_quietly(output: Any) -> None:
    try:
        output.close()
    except Exception:  # the end of a file without a packet, which nobody reads
        return
