// MediaPipe Holistic in the browser: pictures in, the columns of the layout out.

const PARTS = [["poseLandmarks", 33], ["leftHandLandmarks", 21], ["rightHandLandmarks", 21], ["faceLandmarks", 468]];
const POINTS = 543;
const COMPLEXITY = 1; // as slr extract uses it

/** Loads MediaPipe's script, which puts `Holistic` into the window. */
function loaded(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.crossOrigin = "anonymous";
    script.onload = resolve;
    script.onerror = () => reject(new Error(url));
    document.head.append(script);
  });
}

/** The tracker of one person from picture to picture. */
export class Landmarks {
  static async open(base) {
    await loaded(`${base}holistic.js`);
    const holistic = new window.Holistic({ locateFile: (name) => base + name });
    holistic.setOptions({ modelComplexity: COMPLEXITY, smoothLandmarks: true, selfieMode: false });
    await holistic.initialize();
    const found = new Landmarks();
    found.holistic = holistic;
    holistic.onResults((results) => (found.results = results));
    return found;
  }

  /** Points of the next picture, `[543 * 4]`: x, y in fractions of it, z, visibility; NaN where a part is not seen. */
  async of(picture) {
    this.results = null;
    await this.holistic.send({ image: picture });
    return pointsOf(this.results ?? {});
  }

  /** Forget the person: another clip begins. */
  reset() {
    this.holistic.reset();
  }
}

/** MediaPipe's results as one array, in the order of slrcli/video/holistic.py. */
export function pointsOf(results) {
  const points = new Float32Array(POINTS * 4).fill(NaN);
  let start = 0;
  for (const [part, count] of PARTS) {
    (results[part] ?? []).slice(0, count).forEach((mark, i) => {
      const seen = part === "poseLandmarks" ? mark.visibility ?? NaN : 1;
      points.set([mark.x, mark.y, mark.z, seen], 4 * (start + i));
    });
    start += count;
  }
  return points;
}

/** Points in fractions of the square around a picture of this size, as slr extract writes them. */
export function inSquare(points, width, height) {
  const side = Math.max(width, height);
  return points.map((value, i) => {
    if (i % 4 === 0) return (value * width + (side - width) / 2) / side;
    if (i % 4 === 1) return (value * height + (side - height) / 2) / side;
    return i % 4 === 2 ? (value * width) / side : value; // depth is given on the scale of x
  });
}

/** The position columns of the layout that the network reads. */
export function columnsOf(points, { point, coordinate }) {
  return Float32Array.from(point, (index, column) => points[4 * index + coordinate[column]]);
}
