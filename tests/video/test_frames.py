"""Frames as a player shows them, and frame rates by the times of frames: what needs PyAV and Pillow alone."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from support.photographs import turn_track, write_video

from slrcli.video.frames import announced, read_frames
from slrcli.video.timing import thinned

for library in ("av", "PIL"):
    pytest.importorskip(library, reason=f"the extra 'video' is not installed: no {library}")


class Shown(NamedTuple):
    """A frame of which only the time counts."""

    time: float


def kept(times, fps: float) -> list[float]:
    return [frame.time for frame in thinned(map(Shown, times), fps)]


def corners() -> np.ndarray:
    """A picture whose corners are unlike: `[64, 96, 3]`."""
    picture = np.full((64, 96, 3), 128, np.uint8)
    picture[:32, :48], picture[:32, 48:], picture[32:, :48] = (220, 40, 40), (40, 220, 40), (40, 40, 220)
    return picture


ORIENTATIONS = {  # matrix a b c d -> what a player shows of a stored picture
    "as it is": ((1, 0, 0, 1), lambda x: x),
    "mirrored left to right": ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
    "mirrored upside down": ((1, 0, 0, -1), lambda x: x[::-1]),
    "turned by 180": ((-1, 0, 0, -1), lambda x: x[::-1, ::-1]),
    "turned clockwise": ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
    "turned counterclockwise": ((0, -1, 1, 0), lambda x: np.rot90(x)),
    "transposed": ((0, 1, 1, 0), lambda x: x.transpose(1, 0, 2)),
    "transposed the other way": ((0, -1, -1, 0), lambda x: x[::-1, ::-1].transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_frames_are_turned_and_mirrored_as_a_player_shows_them(tmp_path, name):
    import av

    matrix, shown = ORIENTATIONS[name]
    path = write_video(tmp_path / "clip.mp4", [corners()] * 4)
    if name != "as it is":
        turn_track(path, *matrix)
    with av.open(str(path)) as container:
        stored = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    found = list(read_frames(path, 1000))
    assert len(found) == len(stored) == 4
    for frame, picture in zip(found, stored, strict=True):
        assert np.array_equal(frame.image, shown(picture)) and frame.size == frame.image.shape[1::-1]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16", "1", "CMYK"])
def test_pictures_of_every_kind_have_their_own_shades(tmp_path, mode):
    from PIL import Image

    shades = np.linspace(0, 255, 64).round().astype(np.uint8)[None].repeat(48, axis=0)
    if mode == "I;16":
        picture = Image.fromarray(shades.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(shades).convert("RGB").convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture.save(path, **({"quality": 100} if mode == "CMYK" else {}))
    (found,) = read_frames(tmp_path, 1000)
    expected = np.asarray(picture.convert("RGB")) if mode in ("1", "P") else shades[..., None].repeat(3, axis=2)
    assert found.image.dtype == np.uint8
    assert np.abs(found.image.astype(int) - expected).max() <= (6 if mode == "CMYK" else 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_areas_are_white(tmp_path, mode):
    from PIL import Image

    picture = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    picture.paste((10, 10, 10, 255), (0, 0, 16, 32))
    picture.convert(mode).save(tmp_path / "a.png")
    (found,) = read_frames(tmp_path, 1000)
    assert (found.image[:, 16:] == 255).all() and np.abs(found.image[:, :16].astype(int) - 10).max() <= 1


def browser_times(frames: int = 30) -> list[float]:
    """When a browser records frames: about 30 a second, unevenly, in whole milliseconds."""
    steps = np.random.default_rng(0).integers(27, 42, frames - 1)
    return [0.0, *(np.cumsum(steps) / 1000).tolist()]


@pytest.mark.parametrize("rate", [1000, 600])
def test_a_container_that_counts_milliseconds_announces_no_frame_rate(tmp_path, rate):
    times = browser_times()
    path = write_video(tmp_path / "rec.webm", [corners()] * 30, fps=rate, times=times, codec="libvpx")
    assert announced(path).fps == 0 and announced(path).frames < 60
    found = [frame.time for frame in read_frames(path, 1000)]
    assert found == pytest.approx(times, abs=2e-3)
    assert kept(found, 25) == pytest.approx(found) and len(kept(found, 10)) < 20


@pytest.mark.parametrize(("rate", "fps", "every"), [(60, 25, 2), (100, 25, 4), (50, 25, 2), (59.94, 30, 2), (30, 25, 1),
                                                    (25, 25, 1), (15, 25, 1), (120, 30, 4), (60, 0, 1)])  # fmt: skip
def test_even_frames_are_thinned_to_every_nth(rate, fps, every):
    times = (np.arange(97) / rate).tolist()
    assert kept(times, fps) == times[::every]


@pytest.mark.parametrize("seed", range(4))
def test_uneven_frames_are_thinned_only_where_they_are_dense(seed):
    rng = np.random.default_rng(seed)
    times = np.concatenate([[0.0], np.cumsum(rng.choice([0.005, 0.01, 0.03, 0.2], 200))])
    found = np.array(kept(times.tolist(), 25))
    assert found[0] == times[0] and found[-1] == times[-1]
    for start, end in pairwise(found):
        between = times[(times > start) & (times < end)]
        assert not len(between) or end - start <= 1.01 / 25 + 1e-9
    assert len(found) < len(times)


def test_no_frame_and_one_frame_stay_as_they_are():
    assert kept([], 25) == [] and kept([0.0], 25) == [0.0]


def test_the_tests_own_videos_have_an_uneven_rate_of_their_own(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", [corners()] * 5, fps=25)
    assert announced(path).fps == 25 and announced(path).frames == 5
