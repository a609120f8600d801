// Calls functions of the page's scripts for the tests: a JSON document on stdin, one on stdout.
// { module, steps: [[name, ...arguments], ...] }: `new Name` makes what the steps `.method` after it are called on.
// Arrays of numbers within `rows` become Float32Arrays; null there is NaN, as NaN in the answer is null.

import { readFileSync } from "node:fs";

const { site, module, steps } = JSON.parse(readFileSync(0, "utf8"));
const found = await import(`${site}/${module}`);
const rows = (clip) => clip.map((row) => Float32Array.from(row, (value) => (value === null ? NaN : value)));
const read = (value) => {
  if (value && typeof value === "object" && "rows" in value) return rows(value.rows);
  if (value && typeof value === "object" && "row" in value) return rows([value.row])[0];
  if (value && typeof value === "object" && "infinite" in value) return Infinity * value.infinite;
  return value;
};
// a recogniser of windows whose frames are log-probabilities themselves
const { bestPath } = await import(`${site}/decode.js`);
const special = { bestPath: (clip) => Promise.resolve(bestPath(clip, 1, clip.length)) };

let object;
const answers = [];
for (const [name, ...values] of steps) {
  const given = values.map((value) => (value?.function ? special[value.function] : read(value)));
  if (name.startsWith("new ")) object = new found[name.slice(4)](...given);
  else if (name.startsWith(".")) answers.push(await object[name.slice(1)](...given));
  else answers.push(typeof found[name] === "function" ? await found[name](...given) : found[name]);
}
const plain = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
process.stdout.write(JSON.stringify(answers, plain));
