"""MediaPipe calls nobody while it finds the landmarks of a person, nor afterwards."""

from pathlib import Path

import pytest
from support.offline import traceable, traced

for library in ("mediapipe", "PIL"):
    pytest.importorskip(library, reason=f"the extra 'video' is not installed: no {library}")

ROOT = Path(__file__).parents[2]
FRAMES = f"""
import sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from support.offline import announce
from support.photographs import portrait
announce("import")
from slrcli.video.holistic import Holistic, seen
picture = portrait().copy()
with Holistic() as network:
    announce("frames")
    found = [seen(network(picture)) for _ in range(3)]
announce("afterwards")
time.sleep(3)  # for a thread that would report later
assert all(each["pose"] and each["face"] for each in found)
"""


@pytest.mark.skipif(not traceable(), reason="strace is not installed: what C libraries do is not seen")
def test_nobody_is_called_while_a_person_is_found(tmp_path):
    found = traced(["-c", FRAMES], tmp_path / "trace")
    assert found == {"": [], "import": [], "frames": [], "afterwards": []}
