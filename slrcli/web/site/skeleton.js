// The found points over the picture.

const BODY = [[11, 12], [11, 13], [13, 15], [12, 14], [14, 16], [11, 23], [12, 24], [23, 24]];
const FINGERS = [1, 5, 9, 13, 17].flatMap((base) => [[0, base], [base, base + 1], [base + 1, base + 2], [base + 2, base + 3]]);
const HANDS = [[33, "#5bb0ff"], [54, "#ffb454"]]; // first point and colour of the left and the right one

/** Draws points `[543 * 4]` on a canvas of the picture's size. */
export function draw(canvas, points) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.lineWidth = Math.max(2, canvas.width / 240);
  const lines = (pairs, start, colour) => {
    pen.strokeStyle = colour;
    pen.beginPath();
    for (const [a, b] of pairs) {
      const [x0, y0, x1, y1] = [a, b].flatMap((i) => [points[4 * (start + i)], points[4 * (start + i) + 1]]);
      if (Number.isNaN(x0 + y0 + x1 + y1)) continue;
      pen.moveTo(x0 * canvas.width, y0 * canvas.height);
      pen.lineTo(x1 * canvas.width, y1 * canvas.height);
    }
    pen.stroke();
  };
  lines(BODY, 0, "#e8eaed");
  for (const [start, colour] of HANDS) lines(FINGERS, start, colour);
}

/** Whether anybody is seen. */
export const somebody = (points) => points.some((value) => !Number.isNaN(value));
