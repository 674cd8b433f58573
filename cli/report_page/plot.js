// What plots are made of. Lengths are user units of the SVG; `draw` says how many it has.

function draw(id, width, height, body) {
  const svg = byId(id);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.innerHTML = body;
}
// Of a plot as wide as the window allows: its width in pixels.
const widthOf = id => Math.max(400, Math.min(1160, byId(id).clientWidth || 1160));

const kMiddle = {"text-anchor": "middle"}, kEnd = {"text-anchor": "end"};
const label = (x, y, text, attributes = {}) => tag("text", {x, y, ...attributes}, escape(text));
// Reads upwards.
const sideLabel = (x, y, text) => tag("text", {transform: `translate(${x} ${y}) rotate(-90)`, ...kMiddle}, text);
const rectangle = (x, y, width, height, attributes = {}) => tag("rect", {x, y, width, height, ...attributes});
const circle = (cx, cy, r, attributes = {}) => tag("circle", {cx, cy, r, ...attributes});
const across = (x1, x2, y, attributes) => tag("line", {x1, x2, y1: y, y2: y, ...attributes});
const upright = (x, y1, y2, attributes) => tag("line", {x1: x, x2: x, y1, y2, ...attributes});
const kGrid = {class: "grid"}, kAxis = {class: "axis"};

// About `count` round numbers of a linear axis.
function ticks(from, to, count) {
  const raw = (to - from) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= raw * .9999);
  const all = [];
  for (let i = Math.ceil(from / step - 1e-4) + 0; i * step <= to + 1e-4 * step; ++i) all.push(i * step);
  return all;
}

// The finest of these whose lines keep 16 pixels between them.
const kLogDigits = [
  [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5],
  [1, 2, 3, 4, 5, 6, 7, 8, 9],
  [1, 2, 5],
  [1],
];
function logTicks(from, to, pixels) {
  const distance = (x, y) => Math.log(y / x) / Math.log(to / from) * pixels;
  for (const digits of kLogDigits) {
    const all = [];
    for (let power = 10 ** Math.floor(Math.log10(from)); power <= to; power *= 10)
      all.push(...digits.map(d => d * power));
    const inside = all.filter(x => x >= from && x <= to);
    if (inside.every((x, i) => i === 0 || distance(inside[i - 1], x) >= 16)) return inside;
  }
  return [from, to];
}
