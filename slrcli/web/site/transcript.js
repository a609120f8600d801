// Glosses with their times as files: SubRip, WebVTT, ELAN, and landmarks as NumPy's .npy. `found`: { gloss, start, end },
// times in frames.

function clock(seconds, comma) {
  const ms = Math.round(seconds * 1000);
  const part = (value, digits) => String(value).padStart(digits, "0");
  const [h, m, s] = [Math.floor(ms / 3600000), Math.floor(ms / 60000) % 60, Math.floor(ms / 1000) % 60];
  return `${part(h, 2)}:${part(m, 2)}:${part(s, 2)}${comma}${part(ms % 1000, 3)}`;
}

// control characters and those that turn the direction of writing have no place in a caption
const plain = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
const escaped = (text) => plain(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

export function srt(found, fps) {
  const cues = found.map(({ gloss, start, end }, i) =>
    `${i + 1}\n${clock(start / fps, ",")} --> ${clock(end / fps, ",")}\n${plain(gloss)}\n`);
  return cues.join("\n");
}

export function vtt(found, fps) {
  const cues = found.map(({ gloss, start, end }) =>
    `${clock(start / fps, ".")} --> ${clock(end / fps, ".")}\n${escaped(gloss)}\n`);
  return ["WEBVTT\n", ...cues].join("\n");
}

export function eaf(found, fps) {
  const slots = found.flatMap(({ start, end }, i) =>
    [start, end].map((frame, k) =>
      `<TIME_SLOT TIME_SLOT_ID="ts${2 * i + k + 1}" TIME_VALUE="${Math.round((1000 * frame) / fps)}"/>`));
  const marks = found.map(({ gloss }, i) =>
    `<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a${i + 1}" TIME_SLOT_REF1="ts${2 * i + 1}"` +
    ` TIME_SLOT_REF2="ts${2 * i + 2}"><ANNOTATION_VALUE>${escaped(gloss)}</ANNOTATION_VALUE>` +
    "</ALIGNABLE_ANNOTATION></ANNOTATION>");
  return `<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="${new Date().toISOString()}" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER>${slots.join("\n")}</TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="gloss" TIER_ID="gloss">${marks.join("\n")}</TIER>
<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="gloss" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
`;
}

/** A clip `[T, D]` as the bytes of an .npy file, float32. */
export function npy(clip) {
  const columns = clip.length ? clip[0].length : 0;
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${clip.length}, ${columns}), }`;
  const size = Math.ceil((10 + head.length + 1) / 64) * 64;
  const bytes = new Uint8Array(size + clip.length * columns * 4);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, (size - 10) & 255, (size - 10) >> 8]);
  bytes.set(new TextEncoder().encode(`${head.padEnd(size - 11)}\n`), 10);
  const view = new DataView(bytes.buffer);
  clip.forEach((row, t) => row.forEach((value, i) => view.setFloat32(size + 4 * (t * columns + i), value, true)));
  return bytes;
}
