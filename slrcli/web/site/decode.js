// Log-probabilities in, glosses with their times out, as slrcli/decoding does it (greedy.py, segments.py, stream.py,
// hypothesis.py, calibration.py); tests compare the two. `table` is an array of Float32Array, one per output frame.
// A found gloss: { id, start, end, peak, confidence }, times in input frames, the end exclusive.

import { round } from "./prepare.js";

const BLANK = 0;

function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

const probability = (value) => Math.exp(Math.min(value, 0));

/** Input frames that the output frames `first` to `last` stand for; `length`: those of the clip, null if unknown. */
function span(first, last, stride, length) {
  let [start, end] = [round(first * stride), round((last + 1) * stride)];
  if (length !== null) [start, end] = [Math.min(start, length - 1), Math.min(end, length)];
  return [start, Math.max(end, start + 1)];
}

function middle(frame, stride, length) {
  const found = Math.trunc((frame + 0.5) * stride);
  return length === null ? found : Math.max(0, Math.min(found, length - 1));
}

/** The best path in parts: a gloss comes out once its run has ended. */
export class BestPathStream {
  constructor(stride) {
    this.stride = stride;
    this.run = null;
    this.steps = 0;
  }

  /** The glosses that are certain with these output frames; `length` once the stream is over. */
  push(table, length = null) {
    const found = [];
    for (const row of table) {
      const label = argmax(row);
      if (this.run && this.run.label !== label) found.push(...this.finish(length));
      if (label !== BLANK) this.#take(label, row[label]);
      this.steps++;
    }
    return found;
  }

  finish(length) {
    const run = this.run;
    this.run = null;
    if (!run) return [];
    const [start, end] = span(run.first, run.last, this.stride, length);
    const confidence = run.total / (run.last - run.first + 1);
    return [{ id: run.label, start, end, peak: middle(run.peak, this.stride, length), confidence }];
  }

  #take(label, value) {
    this.run ??= { label, first: this.steps, last: 0, total: 0, greatest: -Infinity, peak: 0 };
    const run = this.run;
    run.last = this.steps;
    run.total += probability(value);
    if (value > run.greatest) [run.greatest, run.peak] = [value, this.steps];
  }
}

/** The likeliest label of each output frame, repeats merged, blanks dropped. */
export function bestPath(table, stride, length) {
  const stream = new BestPathStream(stride);
  return [...stream.push(table, length), ...stream.finish(length)];
}

const REACH = 3;
const WIDER = 1.3;

/** The best sequence of signs and blanks under a distribution of sign durations. */
export function segments(table, stride, length, { frames, spread, weight, bonus }) {
  const centre = frames / stride;
  const width = Math.max(spread, 1e-3);
  const [shortest, longest] = [-1, 1].map((sign) => centre * Math.exp(sign * REACH * width));
  const possible = [];
  for (let n = Math.max(1, Math.floor(shortest)); n <= Math.max(1, Math.ceil(longest)); n++) {
    possible.push([n, bonus - weight * 0.5 * (Math.log(n / centre) / (WIDER * width)) ** 2]);
  }
  return bestRow(table, possible).map(([id, first, stop]) => {
    const own = table.slice(first, stop).map((row) => row[id]);
    const [start, end] = span(first, stop - 1, stride, length);
    const confidence = own.reduce((sum, value) => sum + probability(value), 0) / own.length;
    return { id, start, end, peak: middle(first + argmax(own), stride, length), confidence };
  });
}

function bestRow(table, possible) {
  const classes = table.length ? table[0].length : 0;
  const sums = [new Float64Array(classes)];
  for (const row of table) sums.push(sums.at(-1).map((sum, i) => sum + row[i]));
  const best = [0];
  const before = [null]; // per end frame: start and class of the best last segment
  for (let stop = 1; stop <= table.length; stop++) {
    let most = best[stop - 1] + table[stop - 1][BLANK];
    let choice = [stop - 1, BLANK];
    for (const [duration, prior] of possible) {
      const start = stop - duration;
      if (start < 0) break;
      for (let id = 1; id < classes; id++) {
        const counted = best[start] + (sums[stop][id] - sums[start][id]) + prior;
        if (counted > most) [most, choice] = [counted, [start, id]];
      }
    }
    best.push(most);
    before.push(choice);
  }
  const signs = [];
  for (let stop = table.length; stop > 0; ) {
    const [start, id] = before[stop];
    if (id !== BLANK) signs.push([id, start, stop]);
    stop = start;
  }
  return signs.reverse();
}

/** Glosses so many input frames earlier, by which the network's output comes late. */
export function earlier(found, late) {
  if (!late) return found;
  return found.map((item) => {
    const start = Math.max(0, item.start - late);
    return { ...item, start, end: Math.max(start + 1, item.end - late), peak: Math.max(0, item.peak - late) };
  });
}

const SURE = 1e-4;

/** What a confidence becomes by a calibration { scale, shift }, or itself. */
export function calibrated(confidence, calibration) {
  if (!calibration) return confidence;
  const kept = Math.min(Math.max(confidence, SURE), 1 - SURE);
  const logit = Math.log(kept) - Math.log1p(-kept);
  return 1 / (1 + Math.exp(-(calibration.scale * logit + calibration.shift)));
}
