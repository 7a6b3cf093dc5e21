"""Put a video into another kind of file without touching a picture."""

from pathlib import Path

from kdsharp.video.source import VideoSource
from kdsharp.video.target import copy_description, lists_chapters, muxer_options

__all__ = ["remuxed"]


def remuxed(video: VideoSource, path: Path) -> bool:
    """Write all tracks of `video` to `path` as they are, with chapters and metadata.

    False, and a file that is no use, where a file of that kind cannot hold them, or where `video`
    is damaged. `video` is read from its start, where `open_source` has left it.
    """
    import av

    source = video.container
    try:
        with av.open(f"file:{path}", "w", options=muxer_options(path, video)) as out:
            copies = {}
            for stream in source.streams:
                if not lists_chapters(stream, video):
                    copies[stream.index] = out.add_stream_from_template(stream, opaque=True)
                    copy_description(copies[stream.index], stream)
            out.metadata.update(video.tags)
            out.set_chapters(source.chapters())
            for packet in source.demux():
                if packet.size and packet.stream.index in copies:
                    packet.stream = copies[packet.stream.index]
                    out.mux(packet)
    except (av.FFmpegError, ValueError, IndexError):
        return False
    return True
