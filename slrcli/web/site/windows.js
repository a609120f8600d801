// Glosses of a running stream from a network of whole clips, as slrcli/recognition/sliding.py finds them: it looks at
// the last seconds again and again, and says what is new and certain.

import { round } from "./prepare.js";

const centre = (item) => (item.start + item.end) / 2;

/** Frames in, certain glosses out; `recognise(clip)` finds those of a window. */
export class SlidingWindow {
  constructor(recognise, fps, { window, hop, settle, jitter }, least) {
    this.recognise = recognise;
    [this.window, this.hop, this.settle] = [window, hop, settle].map((seconds) => Math.max(1, round(seconds * fps)));
    this.jitter = jitter * fps;
    this.least = Math.max(least, 1);
    this.kept = [];
    this.count = this.looked = this.certain = 0;
    this.said = [];
  }

  async push(clip) {
    const found = [];
    for (const row of clip) {
      this.kept.push(row);
      this.count++;
      if (this.count - this.looked >= this.hop) found.push(...(await this.#look(this.count - this.settle)));
    }
    return found;
  }

  finish() {
    return this.#look(this.count);
  }

  async #look(certain) {
    this.looked = this.count;
    this.kept = this.kept.slice(-this.window);
    if (this.kept.length < this.least) return [];
    const first = this.count - this.kept.length;
    const seen = (await this.recognise(this.kept)).map((item) => ({
      ...item,
      start: item.start + first,
      end: item.end + first,
      peak: item.peak + first,
      told: first + this.kept.length,
    }));
    this.said = this.said.filter((item) => item.end > first);
    const openSince = this.certain - this.jitter;
    const fresh = unsaid(this.said, seen, this.jitter).filter((item) => openSince < item.end && item.end <= certain);
    this.said.push(...fresh);
    this.certain = certain;
    return fresh;
  }
}

/** What a window has beyond what was said before: the two are aligned as a whole, and what lies after all that counts. */
export function unsaid(said, seen, reach) {
  const pairs = aligned(said, seen, reach);
  const after = pairs.length ? Math.max(...pairs.map(([, place]) => place)) + 1 : 0;
  const latest = said.length ? said.at(-1).end : -Infinity;
  const matched = pairs.length > 0 && pairs.at(-1)[0] === said.length - 1;
  return seen.slice(after).filter((item) => matched || centre(item) >= latest);
}

function aligned(said, seen, reach) {
  const best = Array.from({ length: said.length + 1 }, () => new Float64Array(seen.length + 1));
  const gain = (i, j) => {
    const together = worth(said[i], seen[j], reach);
    return together ? together + best[i + 1][j + 1] : 0;
  };
  for (let i = said.length - 1; i >= 0; i--) {
    for (let j = seen.length - 1; j >= 0; j--) best[i][j] = Math.max(best[i + 1][j], best[i][j + 1], gain(i, j));
  }
  const pairs = [];
  for (let i = 0, j = 0; i < said.length && j < seen.length; ) {
    if (gain(i, j) && best[i][j] === gain(i, j)) pairs.push([i++, j++]);
    else if (best[i][j] === best[i + 1][j]) i++;
    else j++;
  }
  return pairs;
}

function worth(one, other, reach) {
  const apart = Math.abs(centre(one) - centre(other));
  return one.id === other.id && apart < reach ? 2 - apart / Math.max(reach, 1) : 0;
}
