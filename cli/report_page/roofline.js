// TFLOP/s over FLOP per byte, both logarithmic, below the roofs of the device.

const roofAt = (roofs, intensity) => Math.min(roofs.tflops, intensity * roofs.gb_per_s / 1e3);
const ridgeOf = roofs => roofs.tflops * 1e3 / roofs.gb_per_s;

function roofsText(roofs) {
  const device = withArticle(state.device);
  if (!roofs) return `The roofs of ${device} are not known here: only the points are drawn.`;
  const peak = `${number(roofs.tflops)} TFLOP/s`, bandwidth = `${number(roofs.gb_per_s)} GB/s`;
  return roofs.measured ?
    `Roofs as measured on ${device}: ${peak} of a large bf16 GEMM, ${bandwidth} of a device copy.` :
    `Roofs of the data sheet of ${device}, not measured: ${peak} of dense bf16, ${bandwidth} of memory.`;
}

// The frame of the plot, and axes that hold every point and the roofs' ridge.
function rooflineAxes(problems, roofs) {
  const width = widthOf("roofline"), height = 420;
  const left = 56, right = width - (width < 800 ? 12 : 160), top = 12, bottom = height - 64;
  const xs = problems.map(p => p.intensity).concat(roofs ? ridgeOf(roofs) : []);
  const ys = problems.flatMap(p => [p.winner_tflops, p.default_tflops || p.winner_tflops])
    .concat(roofs ? roofs.tflops : []);
  const x0 = 2 ** Math.floor(Math.log2(Math.min(...xs) / 1.5)), x1 = 2 ** Math.ceil(Math.log2(Math.max(...xs) * 1.3));
  const y0 = Math.min(...ys) * .85, y1 = Math.max(...ys) * 1.12;
  return {
    width, height, left, right, top, bottom, x0, x1, y0, y1,
    x: value => left + Math.log(value / x0) / Math.log(x1 / x0) * (right - left),
    y: value => bottom - Math.log(value / y0) / Math.log(y1 / y0) * (bottom - top),
  };
}

function rooflineGrid({left, right, top, bottom, x0, x1, y0, y1, x, y}) {
  let body = "", last = -Infinity;
  for (let value = x0; value <= x1 * 1.001; value *= 2) {
    body += upright(x(value), top, bottom, kGrid);
    if (x(value) - last < 40) continue;
    last = x(value);
    body += label(last, bottom + 16, number(value), kMiddle);
  }
  for (const value of logTicks(y0, y1, bottom - top))
    body += across(left, right, y(value), kGrid) +
      label(left - 8, y(value) + 4, number(value), {...kEnd, class: "tick"});
  return body;
}

function rooflineRoof({width, right, x0, x1, y0, x, y}, roofs) {
  const peak = roofs.tflops, from = Math.max(x0, y0 * 1e3 / roofs.gb_per_s), bend = Math.max(ridgeOf(roofs), x0);
  const d = `M${x(from)} ${y(roofAt(roofs, from))}L${x(bend)} ${y(peak)}L${x(x1)} ${y(peak)}`;
  const line = tag("path", {class: "roof", d, fill: "none", style: "stroke:var(--muted);stroke-width:2"});
  const what = `${roofs.measured ? "GEMM" : "data sheet"} ${number(peak)} TFLOP/s`;
  const whose = `of ${withArticle(roofs.device)}`, name = {class: "roof-name"};
  if (width - right < 100) return line + label(right - 4, y(peak) - 7, `${what}, ${whose}`, {...name, ...kEnd});
  // "of an NVIDIA H100 80GB HBM3" and its like are too long for one line beside the plot.
  const lines = [what, ...(whose.length > 24 ? whose.split(/ (?=\S+ \S+$)/) : [whose])];
  return line + lines.map((text, i) => label(right + 8, y(peak) + 4 + 14 * i, text, name)).join("");
}

function rooflinePoint(p, {x, y}, roofs) {
  const selected = p.index === state.problem;
  const share = roofs ? `\n${(p.winner_tflops / roofAt(roofs, p.intensity) * 100).toFixed(0)} % of the roof` : "";
  const text = `${p.title}\n${number(p.winner_tflops)} TFLOP/s tuned, ${number(p.default_tflops)} default\n` +
    `${number(p.intensity)} FLOP per byte${share}`;
  const stroke = selected ? "stroke:var(--win);stroke-width:3" : "stroke:var(--card)";
  return circle(x(p.intensity), y(p.winner_tflops), selected ? 7 : 4.5, {
    class: `point${selected ? " selected" : ""}`,
    "data-problem": p.index,
    style: `cursor:pointer;fill:var(${p.causal ? "--peer-1" : "--tuned"});${stroke}`,
    ...tip(text),
  });
}

function rooflineRing(p, {x, y}) {
  const style = "stroke:var(--text);stroke-width:1.2;pointer-events:none";
  return circle(x(p.intensity), y(p.default_tflops), 6, {class: "default-point", fill: "none", style});
}

function rooflineLegend({height, left, right, bottom}) {
  const kinds = [
    ["full", "fill:var(--tuned)"],
    ["causal", "fill:var(--peer-1)"],
    ["default", "fill:none;stroke:var(--text);stroke-width:1.2"],
  ];
  return across(left, right, bottom, kAxis) +
    label((left + right) / 2, height - 28, "FLOP per byte of Q, K, V, O", kMiddle) +
    sideLabel(12, bottom / 2, "TFLOP/s") +
    kinds.map(([name, style], i) =>
      circle(left + 6 + i * 70, height - 8, 5, {style}) + label(left + 17 + i * 70, height - 4, name)).join("");
}

function drawRoofline() {
  const problems = shownProblems().filter(p => p.winner_tflops > 0), roofs = shownRoofs();
  byId("roofline-lead").textContent =
    `${roofsText(roofs)} Intensity counts Q, K, V and O once. A filled point is the tuned variant, a ring the default.`;
  const axes = rooflineAxes(problems, roofs);
  draw("roofline", axes.width, axes.height,
    rooflineGrid(axes) +
    (roofs ? rooflineRoof(axes, roofs) : "") +
    problems.map(p => rooflinePoint(p, axes, roofs)).join("") +
    problems.filter(p => p.default_tflops).map(p => rooflineRing(p, axes)).join("") +
    rooflineLegend(axes));
}
