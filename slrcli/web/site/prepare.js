// What becomes of landmarks before a network reads them. Everything here exists in Python as well
// (slrcli/features/recording.py, gaps.py, hands.py, augment.py and video/timing.py), and tests compare the two.
// A frame is a Float32Array of the layout's columns, NaN where a point is missing; a clip is an array of frames.

/** Rounds halves to the even neighbour, as Python does. */
export function round(value) {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

/** A copy of a clip in which infinite values are missing, and points that are exactly zero if the layout says so. */
export function withMissing(clip, model) {
  return clip.map((frame) => {
    const row = frame.map((value) => (Number.isFinite(value) ? value : NaN));
    if (model.zeroIsMissing) for (const group of model.groups) zerosToMissing(row, group);
    return row;
  });
}

function zerosToMissing(row, { start, stop, step }) {
  for (let at = start; at < stop; at += step) {
    let zero = true;
    for (let i = at; i < at + step; i++) zero &&= row[i] === 0;
    if (zero) row.fill(NaN, at, at + step);
  }
}

/** Gaps of at most `most` frames between two seen frames are bridged by straight lines, column by column; in place. */
export function fillGaps(clip, columns, most) {
  for (let column = 0; column < columns; column++) {
    let last = -1; // the latest frame in which the column was seen
    for (let t = 0; t < clip.length; t++) {
      if (Number.isNaN(clip[t][column])) continue;
      const missing = t - last - 1;
      if (last >= 0 && missing > 0 && missing <= most) {
        for (let k = 1; k <= missing; k++) {
          const weight = Math.fround(k / (missing + 1));
          clip[last + k][column] = (1 - weight) * clip[last][column] + weight * clip[t][column];
        }
      }
      last = t;
    }
  }
  return clip;
}

/** Positions with their differences over time behind them, where the layout stores any. */
export function complete(clip, { positions, storedDerivatives }) {
  if (!storedDerivatives) return clip;
  let rows = clip.map((frame) => frame.slice(0, positions));
  const blocks = [rows];
  for (let order = 1; order <= storedDerivatives; order++) {
    const before = rows;
    rows = before.map((row, t) =>
      row.map((value, i) => (t < order ? (Number.isNaN(value) ? NaN : 0) : value - before[t - 1][i])),
    );
    blocks.push(rows);
  }
  return clip.map((_, t) => Float32Array.from(blocks.flatMap((block) => [...block[t]])));
}

/** A clip as the network wants it: hands in their slots, short gaps filled. */
export function prepare(clip, model) {
  let rows = withMissing(clip, model);
  if (model.hands) rows = assignHands(rows, model);
  return model.maxGap > 0 ? fillGaps(rows, model.positions, model.maxGap) : rows;
}

/** `prepare` for frames that arrive one after the other; a frame comes out once it is final. */
export class StreamingGaps {
  constructor(model) {
    this.model = model;
    this.rows = []; // those that wait, and before them those that a gap may begin after
    this.handedOn = 0; // so many of them
  }

  push(clip) {
    const found = withMissing(clip, this.model);
    if (!this.model.maxGap || !clip.length) return found;
    this.rows.push(...found);
    return this.#settled(this.rows.length - this.#waiting());
  }

  finish() {
    return this.#settled(this.rows.length);
  }

  #waiting() {
    const { positions, maxGap } = this.model;
    let most = 0;
    for (let column = 0; column < positions; column++) {
      let open = 0;
      while (open < this.rows.length && Number.isNaN(this.rows[this.rows.length - 1 - open][column])) open++;
      if (open < this.rows.length && open <= maxGap) most = Math.max(most, open);
    }
    return most;
  }

  #settled(stop) {
    const { positions, maxGap } = this.model;
    const filled = fillGaps(this.rows.map((row) => row.slice()), positions, maxGap);
    const found = filled.slice(this.handedOn, stop);
    const kept = Math.max(0, stop - maxGap - 1);
    this.rows = this.rows.slice(kept);
    this.handedOn = stop - kept;
    return found;
  }
}

const LONGEST_GAP = 0.5; // seconds; what moves unseen for longer is not on a straight line

/** Frames at a constant rate, from frames with times: between the two nearest in time by a straight line. */
export class Evenly {
  constructor(fps) {
    this.fps = fps;
    this.count = 0;
    this.last = null;
  }

  /** The frames that a new one makes final; its time is in seconds, later than the one before. */
  push(time, row) {
    if (!this.last) this.count = Math.max(this.count, Math.ceil(time * this.fps - 1e-6));
    const [before, start] = this.last ?? [time, row];
    this.last = [time, row];
    const out = [];
    for (; this.count / this.fps <= time + 1e-6; this.count++) {
      out.push(between(before, start, time, row, this.count / this.fps));
    }
    return out;
  }
}

function between(t0, a, t1, b, time) {
  const weight = t1 > t0 ? Math.fround((time - t0) / (t1 - t0)) : 1;
  const nearer = weight < 0.5 ? a : b;
  if (!(weight > 1e-4 && weight < 1 - 1e-4)) return nearer;
  if (t1 - t0 > LONGEST_GAP) return a.map(() => NaN);
  return a.map((value, i) => {
    const line = (1 - weight) * value + weight * b[i];
    return Number.isNaN(line) ? nearer[i] : line;
  });
}

// Two hands without a body: detections are assigned to tracks with the least movement over the whole clip.
// See slrcli/features/hands.py for the reasons, and for what the numbers mean.
const ONE_HAND = 0.35;
const FARTHEST = 4;
const APPEARS = 2;
const ARMS_CROSSED = 0.3;
const CHANGE = 0.25;

/** A clip with each hand in its own slot; two detections of the same hand are replaced by their mean. */
export function assignHands(clip, model) {
  const { sights, together } = sightsOf(clip, model);
  const crossed = cheapest(sights);
  if (!crossed.some((value, t) => value || together[t])) return clip;
  return clip.map((row, t) => onTracks(row, model, crossed[t], together[t]));
}

function onTracks(row, { hands, positions, storedDerivatives }, crossed, together) {
  if (!crossed && !together) return row;
  const found = row.slice();
  const [first, second] = hands;
  for (let block = 0; block <= storedDerivatives; block++) {
    const shift = block * positions;
    for (let k = 0; k < first.stop - first.start; k++) {
      const one = first.start + k + shift;
      const other = second.start + k + shift;
      if (together) {
        const known = [row[one], row[other]].filter((value) => !Number.isNaN(value));
        const mean = known.length ? known.reduce((a, b) => a + b) / known.length : NaN;
        found[crossed ? other : one] = mean;
        found[crossed ? one : other] = NaN;
      } else {
        found[one] = row[other];
        found[other] = row[one];
      }
    }
  }
  return found;
}

function sightsOf(clip, { hands }) {
  const points = clip.map((row) => hands.map((hand) => pointsOf(row, hand)));
  const centres = points.map((slots) => slots.map(meanPoint));
  const spreads = [];
  points.forEach((slots, t) =>
    slots.forEach((own, slot) => {
      const centre = centres[t][slot];
      const away = centre ? meanLength(own.map((p) => p && [p[0] - centre[0], p[1] - centre[1]])) : null;
      if (away !== null) spreads.push(away);
    }),
  );
  const size = spreads.length ? Math.max(2 * median(spreads), 1e-9) : 1;
  const together = points.map(([a, b], t) => {
    const apart = meanLength(a.map((p, k) => p && b[k] && [p[0] - b[k][0], p[1] - b[k][1]]));
    return Boolean(centres[t][0] && centres[t][1] && apart !== null && apart < ONE_HAND * size);
  });
  const sights = centres.map(([a, b], t) => {
    const mean = together[t] ? [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] : null;
    const place = (centre) => centre && [(mean ?? centre)[0] / size, (mean ?? centre)[1] / size];
    return { slots: [place(a), place(b)], together: together[t] };
  });
  return { sights, together };
}

function pointsOf(row, hand) {
  return hand.places.map(([x, y]) => (Number.isFinite(row[x]) && Number.isFinite(row[y]) ? [row[x], row[y]] : null));
}

function meanPoint(points) {
  const known = points.filter(Boolean);
  if (!known.length) return null;
  return [0, 1].map((axis) => known.reduce((sum, p) => sum + p[axis], 0) / known.length);
}

function meanLength(ways) {
  const known = ways.filter(Boolean).map(([x, y]) => Math.hypot(x, y));
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** For each frame whether its slots are crossed, on the way of the least cost (Viterbi). */
export function cheapest(sights) {
  let ways = [{ cost: 0, crossed: false, seen: [null, null], before: null }];
  let free = true;
  for (const sight of sights) {
    const change = free || sight.together ? 0 : CHANGE;
    const steps = ways.flatMap((way) => [false, true].map((crossed) => step(way, crossed, sight, change)));
    steps.sort((a, b) => a.cost - b.cost);
    ways = [];
    for (const next of steps) if (!ways.some((way) => asGood(way, next))) ways.push(next);
    free = sight.together;
  }
  const path = [];
  for (let way = ways[0]; way.before; way = way.before) path.push(way.crossed);
  return path.reverse();
}

function tracks({ slots: [first, second], together }, crossed) {
  if (together) return crossed ? [null, first] : [first, null];
  return crossed ? [second, first] : [first, second];
}

function step(way, crossed, sight, change) {
  const [first, second] = tracks(sight, crossed);
  const [was, had] = way.seen;
  let cost = way.cost + arrival(first, was, !second && had !== null) + arrival(second, had, !first && was !== null);
  if (crossed !== way.crossed) cost += change;
  if (first && second && first[0] < second[0]) cost += ARMS_CROSSED;
  return { cost, crossed, seen: [first ?? was, second ?? had], before: way };
}

function arrival(place, last, otherGone) {
  if (!place) return 0;
  return last ? apart(place, last) : APPEARS * otherGone;
}

function asGood(way, other) {
  let spare = other.cost - way.cost - CHANGE * (way.crossed !== other.crossed);
  for (let track = 0; track < 2; track++) {
    if (spare < 0) return false;
    const [place, last] = [way.seen[track], other.seen[track]];
    if (place !== last) spare -= place && last ? apart(place, last) : FARTHEST;
  }
  return spare >= 0;
}

const apart = (a, b) => Math.min(Math.hypot(a[0] - b[0], a[1] - b[1]), FARTHEST);
