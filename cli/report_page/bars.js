// Beside the heat map: the problem's winner among default and peers, and its candidates in order.

const kPeerColours = {"cuDNN": "--peer-0", "FlashAttention-3": "--peer-1", "FlashAttention-2": "--peer-2"};

// {name, value in TFLOP/s, colour, note} of those that were measured.
function comparedWith(p) {
  const bars = [
    {name: "tuned", value: p.winner_tflops, colour: "--tuned", note: p.winner},
    {name: "default", value: p.default_tflops, colour: "--default", note: p.default || "the heuristic's choice"},
    ...peersOf(p).map(([name, value]) => ({name, value, colour: kPeerColours[name] || "--peer-0", note: peersNote()})),
  ];
  return bars.filter(bar => bar.value != null);
}

// "": the roofs are not known, or of another type.
function shareOfPeak(p, tflops) {
  const roofs = shownRoofs();
  if (!roofs || p.dtype === "fp32") return "";
  const whole = roofs.measured ? "a large GEMM" : "the data sheet's peak";
  return `\n${(tflops / roofs.tflops * 100).toFixed(0)} % of ${whole}`;
}

function drawComparison() {
  const p = chosenProblem(), bars = comparedWith(p), peers = peersOf(p).length > 0;
  byId("comparison-title").textContent = peers ? "Beside the default and the peers" : "Beside the default";
  byId("comparison-note").textContent = peers ? peersNote() : "";
  const width = 500, left = 112, right = 48, row = 26, top = 4, bottom = top + bars.length * row;
  const limit = Math.max(...bars.map(bar => bar.value), 1) * 1.02, scale = (width - left - right) / limit;
  let body = "";
  for (const t of ticks(0, limit, 5)) {
    const x = left + t * scale;
    body += upright(x, top, bottom, kGrid) + label(x, bottom + 15, number(t), kMiddle);
  }
  bars.forEach(({name, value, colour, note}, i) => {
    const y = top + i * row, text = `${name}: ${number(value, 1)} TFLOP/s\n${note}${shareOfPeak(p, value)}`;
    const style = `fill:var(${colour})`;
    body += tag("g", {class: "bar-row", ...tip(text)},
      label(left - 8, y + row / 2 + 4, name, kEnd) +
      rectangle(left, y + 4, Math.max(value * scale, 1), row - 8, {class: "bar-mark", rx: 3, style}) +
      label(left + value * scale + 6, y + row / 2 + 4, number(value), {class: "value"}));
  });
  body += label(left + (width - left - right) / 2, bottom + 30, "TFLOP/s", kMiddle);
  draw("comparison", width, bottom + 34, body);
}

// Of the axis, in µs. Hopeless candidates must not flatten the rest: slower than twice the winner is drawn at the upper
// edge. The axis begins below the fastest, not at 0, for they are close to each other.
function rankingRange(p, candidates) {
  const times = candidates.map(c => c.time_us), far = 2 * (p.winner_us || Infinity);
  const fastest = Math.min(...times, p.default_us || Infinity);
  const slowest = Math.min(Math.max(...times, p.default_us || 0, 1e-9), far);
  const margin = Math.max((slowest - fastest) * .12, fastest * .005);
  const from = Math.max(0, fastest - margin), limit = slowest + margin;
  return {from, limit, digits: limit - from < 4 ? 2 : limit - from < 20 ? 1 : 0};
}

function rankingMark(p, c, place, x, y) {
  const winner = c.variant === p.winner;
  const text = `#${place}: ${number(c.time_us, 1)} µs ± ${number(c.spread_us, 1)}, ${number(c.tflops)} TFLOP/s\n` +
    c.variant + (winner ? "\nthe winner of the paired finals" : "");
  const kind = `rank${winner ? " winner-mark" : ""}`, style = `fill:var(${winner ? "--win" : "--tuned"})`;
  return circle(x, y, winner ? 5 : 3, {class: kind, style, ...tip(text)});
}

function drawRanking() {
  const p = chosenProblem(), list = timedCandidates(p).sort((a, b) => a.time_us - b.time_us);
  const {from, limit, digits} = rankingRange(p, list);
  const width = 500, left = 44, right = width - 4, top = 8, bottom = top + 150;
  const x = i => left + 6 + (width - left - 16) * (list.length > 1 ? i / (list.length - 1) : .5);
  const y = us => bottom - (Math.min(us, limit) - from) / (limit - from) * (bottom - top);
  let body = "";
  for (const t of ticks(from, limit, 4))
    body += across(left, right, y(t), kGrid) + label(left - 6, y(t) + 4, number(t, digits), {...kEnd, class: "tick"});
  if (p.default_us > 0) {
    const at = y(p.default_us), dashed = {style: "stroke:var(--default)", "stroke-dasharray": "5 4"};
    body += across(left, right, at, dashed) +
      label(width - 6, at + (at < top + 18 ? 14 : -5), `default ${number(p.default_us, 1)} µs`, kEnd);
  }
  list.forEach((c, i) => body += rankingMark(p, c, i + 1, x(i), y(c.time_us)));
  const edge = list.some(c => c.time_us > limit) ? `; slower than ${number(limit, digits)} µs: at the edge` : "";
  body += across(left, right, bottom, kAxis) + label(left, bottom + 16, "fastest") +
    label(right, bottom + 16, `${list.length} timed candidates · µs`, kEnd) +
    label(left, bottom + 36, `The axis begins at ${number(from, digits)} µs, not at 0${edge}.`, {class: "zoomed"});
  draw("ranking", width, bottom + 50, body);
}
