// Runs a page's recogniser outside of a browser: { page, runtime, clip, parts, running } on stdin, glosses on stdout.

import { readFileSync } from "node:fs";

const { page, runtime, clip, parts, running } = JSON.parse(readFileSync(0, "utf8"));
const ort = await import(`${runtime}/ort.node.min.mjs`);
ort.env.wasm.numThreads = 1;
const { Recogniser } = await import(`${page}/recogniser.js`);
const model = JSON.parse(readFileSync(new URL(`${page}/model.json`), "utf8"));
const graph = new Uint8Array(readFileSync(new URL(`${page}/${model.graph}`)));
const recogniser = await Recogniser.open(ort, graph, model);
const rows = clip.map((row) => Float32Array.from(row, (value) => (value === null ? NaN : value)));
let found = [];
if (running) {
  const stream = recogniser.stream();
  let begin = 0;
  for (const end of [...parts, rows.length]) {
    found.push(...(await stream.push(rows.slice(begin, end))));
    begin = end;
  }
  found.push(...(await stream.finish()));
} else found = await recogniser.recognise(rows);
process.stdout.write(JSON.stringify(found));
process.exit(0);
