// The exported network at work: clips or a running stream of frames in, glosses out. `ort` is onnxruntime-web; `model`
// is model.json, which the page's folder brings along.

import { BestPathStream, bestPath, calibrated, earlier, segments } from "./decode.js";
import { StreamingGaps, complete, prepare } from "./prepare.js";
import { SlidingWindow } from "./windows.js";

/** A recogniser over a session of onnxruntime-web. */
export class Recogniser {
  constructor(ort, session, model) {
    [this.ort, this.session, this.model] = [ort, session, model];
  }

  static async open(ort, graph, model) {
    const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"], logSeverityLevel: 3 });
    return new Recogniser(ort, session, model);
  }

  /** Log-probabilities of one prepared clip, a Float32Array per output frame. */
  async logProbs(clip) {
    const { width } = this.model;
    const x = new Float32Array(clip.length * width);
    clip.forEach((row, t) => x.set(row, t * width));
    const found = await this.session.run({
      x: new this.ort.Tensor("float32", x, [1, clip.length, width]),
      lengths: new this.ort.Tensor("int64", BigInt64Array.of(BigInt(clip.length)), [1]),
    });
    return rows(found.log_probs, Number(found.output_lengths.data[0]));
  }

  /** The glosses of a whole clip of positions. */
  async recognise(clip) {
    const { model } = this;
    if (clip.length < model.leastFrames) return [];
    if (model.streaming) {
      const stream = this.stream(); // the graph is one of steps, and gives the same
      return [...(await stream.push(clip)), ...(await stream.finish())];
    }
    const table = await this.logProbs(prepare(complete(clip, model), model));
    const { decoder, stride, late } = model;
    const found = decoder.kind === "segments"
      ? segments(table, stride, clip.length, decoder)
      : bestPath(table, stride, clip.length);
    return earlier(found, late).map((item) => this.#named(item));
  }

  /** What takes frames as they come and gives glosses once they are certain: `push(frames)`, `finish()`. */
  stream() {
    if (this.model.streaming) return new Running(this, (item) => this.#named(item));
    return new SlidingWindow((clip) => this.recognise(clip), this.model.fps, this.model.live, this.model.leastFrames);
  }

  #named(item) {
    const { glosses, calibration } = this.model;
    return { ...item, gloss: glosses[item.id], confidence: calibrated(item.confidence, calibration) };
  }
}

function rows(tensor, count) {
  const classes = tensor.dims.at(-1);
  return Array.from({ length: count }, (_, t) => tensor.data.slice(t * classes, (t + 1) * classes));
}

/** A streaming network, step by step, with its cache in and out of the graph. */
class Running {
  constructor({ ort, session, model }, named) {
    [this.ort, this.session, this.model, this.named] = [ort, session, model, named];
    this.gaps = new StreamingGaps(model);
    this.decoder = new BestPathStream(model.stride);
    this.waiting = []; // frames short of a step
    this.came = 0;
    this.skip = model.streaming.skip;
    this.state = Object.fromEntries(model.streaming.state.map((item) => [item.name, empty(ort, item)]));
  }

  async push(clip) {
    this.came += clip.length;
    return this.#decoded(await this.#steps(this.gaps.push(clip.map((row) => padded(row, this.model.width)))));
  }

  async finish() {
    const table = await this.#steps(this.gaps.finish());
    const { step, lookahead } = this.model.streaming;
    const missing = (step - this.waiting.length) % step + lookahead; // no frames any more, but steps all the same
    for (let left = this.waiting.length + missing; left > 0; left -= step) table.push(...(await this.#step()));
    return [...this.#decoded(table, this.came), ...this.decoder.finish(this.came).map((item) => this.#told(item))];
  }

  #decoded(table, length = null) {
    return this.decoder.push(table, length).map((item) => this.#told(item));
  }

  #told(item) {
    return { ...this.named(item), told: this.came };
  }

  async #steps(clip) {
    const table = [];
    for (const row of clip) {
      this.waiting.push(row);
      if (this.waiting.length === this.model.streaming.step) table.push(...(await this.#step()));
    }
    return table;
  }

  /** The output of the step that the waiting frames fill, those beyond the end of the clip empty. */
  async #step() {
    const { streaming: { step }, width } = this.model;
    const x = new Float32Array(step * width).fill(NaN);
    this.waiting.forEach((row, t) => x.set(row, t * width));
    const there = Uint8Array.from({ length: step }, (_, t) => t < this.waiting.length);
    this.waiting = [];
    const found = await this.session.run({
      ...this.state,
      x: new this.ort.Tensor("float32", x, [1, step, width]),
      there: new this.ort.Tensor("bool", there, [1, step]),
    });
    for (const name of Object.keys(this.state)) this.state[name] = found[`${name}_next`];
    if (this.skip > 0) {
      this.skip--;
      return [];
    }
    return rows(found.log_probs, 1);
  }
}

function padded(row, width) {
  if (row.length === width) return row;
  const wide = new Float32Array(width).fill(NaN);
  wide.set(row);
  return wide;
}

function empty(ort, { type, shape }) {
  const size = shape.reduce((a, b) => a * b, 1);
  const kinds = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array, bool: Uint8Array };
  return new ort.Tensor(type, new kinds[type](size), shape);
}
