"""How many frames a second does the page of a recogniser look at in headless Chromium, and on a slower processor?

    python tests/benchmarks/web_page.py RUN NODE_MODULES VIDEO

The page reads every frame of the video; time covers MediaPipe, the network and the drawing. `4 x slower` is what
Chromium's own throttle makes of this processor, as for a telephone. Without a graphics card MediaPipe's browser build
draws with SwiftShader in software, which is by far the greatest part; a telephone has a graphics processor for that.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.browser import visit

from slrcli.listening import Listening
from slrcli.web.page import write_page

THROTTLES = (1, 4)


def main() -> None:
    """Print a row per throttle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("modules", type=Path)
    parser.add_argument("video", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page"
        write_page(Listening(), options.run, page, options.modules)
        for throttle in THROTTLES:
            with visit(page) as seen:
                seen.wait("Ready")
                session = seen.page.context.new_cdp_session(seen.page)
                session.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
                seen.page.set_input_files("#file", str(options.video))
                frames, seconds = re.findall(r"[\d.]+", seen.wait("frames in"))[:2]
                drawn = seen.page.evaluate(RENDERER)
            print(f"{throttle} x slower: {int(frames) / float(seconds):.2f} frames/s ({frames} frames; {drawn})")


# who draws: read through a function, as the page's policy lets no text become code
RENDERER = """() => {
  const gl = document.createElement("canvas").getContext("webgl2");
  const about = gl && gl.getExtension("WEBGL_debug_renderer_info");
  return about ? gl.getParameter(about.UNMASKED_RENDERER_WEBGL) : "no WebGL";
}"""


if __name__ == "__main__":
    main()
