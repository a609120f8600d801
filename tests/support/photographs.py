"""A real photograph of a person that a test dependency carries, and videos made of it."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Where things are in the photograph (512 x 600), as shares of it, seen with the eye.
MOUTH = (0.525, 0.45)
NOSE = (0.525, 0.38)
SHOULDERS = {"left_shoulder": (0.86, 0.71), "right_shoulder": (0.19, 0.70)}  # the person's own left and right


def portrait() -> np.ndarray:
    """Grace Hopper in 1984, a public-domain photograph in matplotlib's sample data: uint8 `[600, 512, 3]`."""
    import matplotlib
    from PIL import Image

    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def nobody() -> np.ndarray:
    """A picture of nothing: uint8 `[240, 320, 3]`, a soft gradient."""
    return np.broadcast_to(np.linspace(60, 180, 320).astype(np.uint8)[None, :, None], (240, 320, 3)).copy()


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    fps: int = 25,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    pixel: tuple[int, int] = (1, 1),
    codec: str = "libx264",
) -> Path:
    """A video of pictures; of odd times (seconds), rotation (degrees counterclockwise to upright) or pixels' shape."""
    from fractions import Fraction

    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*pixel)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[number]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A video file that holds a second of silence and no pictures."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for number in range(43):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn_track(path: Path, a: int = 0, b: int = 1, c: int = -1, d: int = 0) -> None:
    """Say in an mp4's track header how players should show it: by default turned by 90 degrees clockwise.

    A stored point (x, y) is shown at (a x + c y, b x + d y). The matrix is written byte by byte as in ISO/IEC 14496-12,
    8.3.2 (a b u c d v x y w; 16.16 and 2.30 fixed point), as telephones held upright do.
    """
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4  # version 0: flags, two times, id, reserved, duration, reserved, layer ... volume
    assert data[place] == 0
    matrix = place + 4 + 20 + 8 + 8
    old = struct.unpack(">9i", data[matrix : matrix + 36])
    assert old == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    data[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
