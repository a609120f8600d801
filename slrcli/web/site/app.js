// The page at work: camera or video -> landmarks -> network -> glosses.

import { Landmarks, columnsOf, inSquare } from "./landmarks.js";
import { Evenly } from "./prepare.js";
import { Recogniser } from "./recogniser.js";
import { draw, somebody } from "./skeleton.js";
import { eaf, npy, srt, vtt } from "./transcript.js";
import { WORDS, preferred, say } from "./words.js";

const $ = (id) => document.getElementById(id);
const CAPTIONS = 12; // glosses that stay in the picture
const LONGEST = 3 * 60 * 60; // seconds of landmarks that are kept to be saved

const state = { language: "en", running: null, found: [], clip: [], status: ["loading"] };
let model, recogniser, landmarks;

function translate(language) {
  state.language = language;
  document.documentElement.lang = language;
  for (const item of document.querySelectorAll("[data-word]")) item.textContent = say(language, item.dataset.word);
  tell(...state.status);
}

function tell(word, values, bad = false) {
  state.status = [word, values, bad];
  $("status").textContent = say(state.language, word, values);
  $("status").classList.toggle("bad", bad);
}

function show(item) {
  state.found.push(item);
  const caption = document.createElement("span");
  caption.textContent = item.gloss;
  $("captions").append(caption);
  while ($("captions").childElementCount > CAPTIONS) $("captions").firstElementChild.remove();
  const row = $("found").insertRow();
  const [start, end] = [item.start, item.end].map((frame) => (frame / model.fps).toFixed(2));
  row.insertCell().textContent = `${start}–${end}`;
  row.insertCell().textContent = item.gloss;
  const meter = document.createElement("meter");
  meter.value = item.confidence;
  row.insertCell().append(meter, ` ${Math.round(100 * item.confidence)} %`);
  $("nothing").hidden = true;
  row.scrollIntoView({ block: "nearest" });
}

function clear() {
  Object.assign(state, { found: [], clip: [] });
  $("captions").replaceChildren();
  $("found").replaceChildren();
  $("nothing").hidden = false;
}

function fit(video) {
  Object.assign($("skeleton"), { width: video.videoWidth, height: video.videoHeight });
  $("hint").hidden = true;
}

function keep(rows) {
  state.clip.push(...rows.slice(0, Math.max(0, LONGEST * model.fps - state.clip.length)));
  return rows;
}

/** What the network reads of the picture that a video shows now, drawn on the way; and whether anybody is seen. */
async function look(video) {
  const points = await landmarks.of(video);
  draw($("skeleton"), points);
  const placed = model.square ? inSquare(points, video.videoWidth, video.videoHeight) : points;
  return [columnsOf(placed, model.columns), somebody(points)];
}

/** Frames of the camera until `job.stop`; those that come while one is looked at are dropped. */
async function film(job) {
  if (!navigator.mediaDevices) throw Object.assign(new Error("https://"), { name: "NotAllowedError" });
  const media = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: 640 }, audio: false });
  const video = $("video");
  try {
    video.srcObject = media;
    await video.play();
    fit(video);
    const stream = recogniser.stream();
    const evenly = new Evenly(model.fps);
    const begun = performance.now();
    let [looked, before, shown] = [0, -1, 0];
    while (!job.stop) {
      const shot = await nextFrame(video, job);
      if (!shot) break;
      const time = (shot.now - begun) / 1000;
      if (time <= before) continue;
      before = time;
      const [row, seen] = await look(video);
      looked++;
      for (const item of await stream.push(keep(evenly.push(time, row)))) show(item);
      if (time - shown > 0.5) {
        shown = time;
        const dropped = Math.max(0, shot.presented - looked);
        if (seen) tell("live", { fps: (looked / Math.max(time, 1e-3)).toFixed(1), dropped });
        else tell("nobody");
      }
    }
    for (const item of await stream.finish()) show(item);
  } finally {
    for (const track of media.getTracks()) track.stop();
    video.srcObject = null;
  }
}

function nextFrame(video, job) {
  return new Promise((resolve) => {
    job.wake = () => resolve(null);
    const take = (now, about) => resolve({ now, presented: about?.presentedFrames ?? 0 });
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(take);
    else requestAnimationFrame((now) => take(now));
  });
}

/** A whole video, every frame of the network's rate, however long that takes; then its glosses. */
async function read(job, file) {
  const video = $("video");
  const url = URL.createObjectURL(file);
  const begun = performance.now();
  const clip = [];
  try {
    video.src = url;
    await event(video, "loadeddata");
    fit(video);
    const count = Math.max(1, Math.floor(video.duration * model.fps + 1e-6));
    Object.assign($("progress"), { max: count, value: 0, hidden: false });
    tell("working");
    for (let t = 0; t < count && !job.stop; t++) {
      await seek(video, Math.min((t + 0.5) / model.fps, video.duration));
      clip.push((await look(video))[0]);
      $("progress").value = t + 1;
    }
    keep(clip);
    for (const item of await recogniser.recognise(clip)) show(item);
    const seconds = (performance.now() - begun) / 1000;
    const fps = (clip.length / seconds).toFixed(1);
    tell("done", { frames: clip.length, seconds: seconds.toFixed(1), fps });
  } finally {
    URL.revokeObjectURL(url);
    $("progress").hidden = true;
  }
}

async function seek(video, time) {
  if (Math.abs(video.currentTime - time) < 1e-6) return;
  const sought = event(video, "seeked");
  video.currentTime = time;
  await sought;
}

function event(video, name) {
  return new Promise((resolve, reject) => {
    const end = (then) => () => {
      video.removeEventListener(name, done);
      video.removeEventListener("error", failed);
      then();
    };
    const done = end(resolve);
    const failed = end(() => reject(new Error("unreadable")));
    video.addEventListener(name, done);
    video.addEventListener("error", failed);
  });
}

/** One camera or video at a time; what it throws is said. */
async function run(work, mirrored) {
  await halt();
  clear();
  landmarks.reset();
  const job = { stop: false, wake: () => {} };
  for (const id of ["video", "skeleton"]) $(id).classList.toggle("mirrored", mirrored);
  $("stop").disabled = false;
  job.done = work(job).catch((error) => {
    if (error.message === "unreadable") tell("unreadable", {}, true);
    else if (error.name === "NotAllowedError" || error.name === "NotFoundError" || error.name === "NotReadableError") {
      tell("denied", { reason: error.message }, true);
    } else tell("broken", { reason: error.message ?? error }, true);
  });
  state.running = job;
  await job.done;
  if (state.running === job) {
    state.running = null;
    $("stop").disabled = true;
  }
}

async function halt() {
  const job = state.running;
  if (!job) return;
  job.stop = true;
  job.wake();
  await job.done;
}

function save(name, data, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function wire() {
  $("camera").onclick = () => run(film, $("mirror").checked);
  $("stop").onclick = halt;
  $("open").onclick = () => $("file").click();
  $("file").onchange = () => {
    const [file] = $("file").files;
    $("file").value = "";
    if (file) run((job) => read(job, file), false);
  };
  $("mirror").onchange = () => {
    const film = Boolean($("video").srcObject);
    for (const id of ["video", "skeleton"]) $(id).classList.toggle("mirrored", film && $("mirror").checked);
  };
  const screen = $("screen");
  screen.ondragover = (drag) => {
    drag.preventDefault();
    screen.classList.add("over");
  };
  screen.ondragleave = () => screen.classList.remove("over");
  screen.ondrop = (drop) => {
    drop.preventDefault();
    screen.classList.remove("over");
    const [file] = drop.dataTransfer.files;
    if (file && recogniser) run((job) => read(job, file), false);
  };
  $("copy").onclick = async () => {
    await navigator.clipboard.writeText(state.found.map((item) => item.gloss).join(" "));
    tell("copied");
  };
  $("srt").onclick = () => save("glosses.srt", srt(state.found, model.fps), "application/x-subrip");
  $("vtt").onclick = () => save("glosses.vtt", vtt(state.found, model.fps), "text/vtt");
  $("eaf").onclick = () => save("glosses.eaf", eaf(state.found, model.fps), "application/xml");
  $("npy").onclick = () => save("landmarks.npy", npy(state.clip), "application/octet-stream");
  $("clear").onclick = clear;
}

async function start() {
  for (const [tag, { name }] of Object.entries(WORDS)) $("language").add(new Option(name, tag));
  $("language").value = preferred(navigator.languages);
  $("language").onchange = () => translate($("language").value);
  translate($("language").value);
  wire();
  try {
    model = await (await fetch("model.json")).json();
    const base = new URL(model.assets.onnxruntime, location.href).href;
    const ort = await import(`${base}ort.wasm.min.mjs`);
    ort.env.wasm.wasmPaths = base;
    ort.env.wasm.numThreads = 1; // more of them need headers that a static page cannot send
    const graph = new Uint8Array(await (await fetch(model.graph)).arrayBuffer());
    recogniser = await Recogniser.open(ort, graph, model);
    landmarks = await Landmarks.open(new URL(model.assets.holistic, location.href).href);
  } catch (error) {
    tell("failed", { reason: error.message ?? error }, true);
    return;
  }
  for (const id of ["camera", "open"]) $(id).disabled = false;
  tell("ready");
}

start();
