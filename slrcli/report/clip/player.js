"use strict";
const clip = JSON.parse(document.getElementById("clip").textContent);
const $ = (id) => document.getElementById(id);
const stage = $("stage"), scrub = $("scrub"), play = $("play"), now = $("now"), rate = $("rate");
const cursors = document.querySelectorAll(".cursor");
const fps = clip.fps || 25;
let frame = 0, playing = false, started = 0;

const positions = clip.positions
  ? new Uint16Array(Uint8Array.from(atob(clip.positions), (c) => c.charCodeAt(0)).buffer)
  : null;

// A point of a drawn frame in shares of the picture, or null where it is missing.
function place(step, point) {
  const at = 2 * (step * clip.points + point);
  if (positions[at] === clip.missing) return null;
  return [positions[at] / clip.grid - 1, positions[at + 1] / clip.grid - 1];
}

function size() {
  if (!stage) return;
  const box = stage.parentElement.getBoundingClientRect();
  const style = getComputedStyle(stage.parentElement);
  const free = box.width - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 2;
  const ratio = parseFloat(stage.dataset.ratio);
  const height = Math.min(free / ratio, Math.max(260, 0.62 * innerHeight));
  stage.style.width = `${height * ratio}px`;
  stage.style.height = `${height}px`;
  stage.width = Math.round(height * ratio * devicePixelRatio);
  stage.height = Math.round(height * devicePixelRatio);
}

function draw() {
  const step = Math.floor(frame / clip.every);
  const share = clip.frames > 1 ? frame / (clip.frames - 1) : 0;
  scrub.value = frame;
  now.textContent = `frame ${frame + 1} of ${clip.frames}` + (clip.fps ? `, ${(frame / fps).toFixed(2)} s` : "");
  for (const cursor of cursors) cursor.style.left = `${100 * share}%`;
  if (!stage) return;
  const pen = stage.getContext("2d"), style = getComputedStyle(document.documentElement);
  const scale = stage.width / clip.size[0], unit = Math.max(stage.width, stage.height) / 500;
  const colours = Array.from({ length: clip.colours }, (_, i) => style.getPropertyValue(`--c${i}`).trim());
  const colour = (point) => colours[clip.part[point] % clip.colours];
  pen.clearRect(0, 0, stage.width, stage.height);
  pen.lineCap = "round";
  pen.lineWidth = 2.2 * unit;
  for (const [a, b] of clip.limbs) {
    const from = place(step, a), to = place(step, b);
    if (!from || !to) continue;
    pen.strokeStyle = colour(b);
    pen.beginPath();
    pen.moveTo(from[0] * scale, from[1] * scale);
    pen.lineTo(to[0] * scale, to[1] * scale);
    pen.stroke();
  }
  for (let point = 0; point < clip.points; point++) {
    const at = place(step, point);
    if (!at) continue;
    pen.fillStyle = colour(point);
    pen.beginPath();
    pen.arc(at[0] * scale, at[1] * scale, 2 * unit, 0, 2 * Math.PI);
    pen.fill();
  }
}

function go(to) {
  frame = Math.max(0, Math.min(clip.frames - 1, Math.round(to)));
  draw();
}

function restart() { started = performance.now() - (1000 * frame) / (fps * rate.value); }

function toggle(on = !playing) {
  playing = on;
  play.textContent = playing ? "Pause" : "Play";
  if (!playing) return;
  if (frame >= clip.frames - 1) frame = 0;
  restart();
  requestAnimationFrame(tick);
}

function tick(time) {
  if (!playing) return;
  const at = ((time - started) / 1000) * fps * rate.value;
  if (at >= clip.frames) { frame = 0; restart(); } else { frame = Math.max(0, Math.floor(at)); }
  draw();
  requestAnimationFrame(tick);
}

play.addEventListener("click", () => toggle());
scrub.addEventListener("input", () => { toggle(false); go(+scrub.value); });
rate.addEventListener("change", restart);
for (const strip of document.querySelectorAll(".strip"))
  strip.addEventListener("click", (event) => {
    const box = strip.getBoundingClientRect();
    go(((event.clientX - box.left) / box.width) * (clip.frames - 1));
    restart();
  });
addEventListener("keydown", (event) => {
  if (event.target.matches("select, input, button")) return;
  if (event.key === " ") { event.preventDefault(); toggle(); }
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    toggle(false);
    go(frame + (event.key === "ArrowRight" ? clip.every : -clip.every));
  }
});
addEventListener("resize", () => { size(); draw(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
size();
draw();
if (stage && !matchMedia("(prefers-reduced-motion: reduce)").matches) toggle(true);
