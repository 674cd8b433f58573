// The best TFLOP/s of each tile, block_m × block_n.

const kStar = "l1.5 3.2 3.5.4-2.6 2.3.7 3.4-3.1-1.7-3.1 1.7.7-3.4-2.6-2.3 3.5-.4z";
const starMark = (x, y) => tag("path", {class: "winner-mark", d: `M${x} ${y}${kStar}`});
const cornerMark = (x, y) => tag("path", {class: "corner", d: `M${x} ${y}v-13l13 13z`});
const heatColour = percentage => `fill:color-mix(in oklab, var(--heat-hi) ${percentage}%, var(--heat-lo))`;

// The best candidate of each tile, or the first failure where none was timed.
function tilesOf(problem) {
  const cells = new Map();
  for (const c of problem.candidates) {
    if (state.family && c.family !== state.family) continue;
    const key = `${c.block_m}×${c.block_n}`;
    const cell = cells.get(key) ||
      {m: c.block_m, n: c.block_n, best: null, count: 0, failed: 0, error: "", names: []};
    ++cell.count;
    cell.names.push(c.variant);
    if (c.error) {
      ++cell.failed;
      cell.error = cell.error || c.error;
    }
    if (c.tflops != null && (!cell.best || c.tflops > cell.best.tflops)) cell.best = c;
    cells.set(key, cell);
  }
  return [...cells.values()];
}

// Where the tiles stand: the largest block_m on top, block_n from left to right.
function heatmapGrid(cells) {
  const ms = distinct(cells.map(c => c.m)).sort((a, b) => b - a);
  const ns = distinct(cells.map(c => c.n)).sort((a, b) => a - b);
  const left = 52, top = 6, width = 640;
  const cellWidth = (width - left - 4) / Math.max(ns.length, 1);
  const cellHeight = Math.min(56, Math.max(30, 250 / Math.max(ms.length, 1)));
  const bottom = top + ms.length * cellHeight;
  return {
    ms, ns, left, top, bottom, width, height: bottom + 96, cellWidth, cellHeight,
    x: n => left + ns.indexOf(n) * cellWidth,
    y: m => top + ms.indexOf(m) * cellHeight,
    frame: (m, n, attributes) => rectangle(left + ns.indexOf(n) * cellWidth + 1.5,
      top + ms.indexOf(m) * cellHeight + 1.5, cellWidth - 3, cellHeight - 3, attributes),
  };
}

function heatmapBlanks(grid, cells, blank) {
  let body = "";
  for (const m of grid.ms) {
    for (const n of grid.ns) {
      if (cells.some(c => c.m === m && c.n === n)) continue;
      const dot = circle(grid.x(n) + grid.cellWidth / 2, grid.y(m) + grid.cellHeight / 2, 1.8);
      body += tag("g", {class: "untried", ...tip(`block_m ${m} × block_n ${n}: ${blank}`)},
        grid.frame(m, n) + dot);
    }
  }
  return body;
}

function heatmapCellTip(cell, winner, usual) {
  const {best} = cell, tile = `block_m ${cell.m} × block_n ${cell.n}: `;
  const time = best && `${number(best.time_us, 1)} µs ± ${number(best.spread_us, 1)}`;
  const what = best ? `${number(best.tflops, 1)} TFLOP/s\n${time}\n${best.variant}` : cell.error || "not timed";
  const failed = cell.failed ? `, ${cell.failed} failed` : "";
  return `${tile}${what}\n${plural(cell.count, "candidate")}${failed}` +
    (winner ? "\nthe winner's tile" : "") + (usual ? "\nthe default's tile" : "");
}

// `share` of the way from the slowest tile to the fastest.
function heatmapCell(grid, cell, share) {
  const problem = chosenProblem(), {best} = cell;
  const winner = cell.names.includes(problem.winner), usual = cell.names.includes(problem.default);
  const x = grid.x(cell.n), y = grid.y(cell.m), width = grid.cellWidth, height = grid.cellHeight;
  const kinds = ["cell", winner && "winner", usual && "default", !best && "failed"];
  let body = grid.frame(cell.m, cell.n, {rx: 3, style: best ? heatColour((share * 100).toFixed(1)) : null});
  if (usual) body += cornerMark(x + 4, y + height - 4);
  if (winner) body += starMark(x + width - 9, y + 3.2);
  if (width >= 26)
    body += label(x + width / 2, y + height / 2 + 4, best ? number(best.tflops) : "✕",
      {...kMiddle, style: `fill:var(--heat-text-${share > .55 ? "hi" : "lo"})`});
  return tag("g", {class: present(kinds).join(" "), ...tip(heatmapCellTip(cell, winner, usual))}, body);
}

function heatmapAxes(grid) {
  const {ms, ns, left, top, bottom, width, cellWidth, cellHeight} = grid;
  const rows = ms.map(m => label(left - 8, grid.y(m) + cellHeight / 2 + 4, m, kEnd));
  const columns = ns.map(n => label(grid.x(n) + cellWidth / 2, bottom + 15, n, kMiddle));
  return rows.join("") + columns.join("") +
    label(left + (width - left) / 2, bottom + 32, "block_n: keys of a step", kMiddle) +
    sideLabel(11, (top + bottom) / 2, "block_m: rows");
}

function heatmapLegend(grid, low, high, blank) {
  const {left} = grid, y = grid.height - 48;
  let body = "";
  for (let i = 0; i < 40; ++i) body += rectangle(left + i * 4, y, 4.3, 9, {style: heatColour(i / 39 * 100)});
  return body + label(left, y + 21, number(low)) + label(left + 160, y + 21, `${number(high)} TFLOP/s`, kEnd) +
    starMark(left + 190, y - .8) + label(left + 200, y + 9, "winner") +
    tag("g", {class: "cell default"}, cornerMark(left + 253, y + 10)) + label(left + 272, y + 9, "default") +
    label(left + 335, y + 9, "✕ no candidate of the tile ran") +
    tag("g", {class: "untried"}, circle(left + 185, y + 26, 1.8)) +
    label(left + 200, y + 30, `blank: ${blank}`, {class: "untried-legend"});
}

function drawFamilies(problem) {
  const families = distinct(problem.candidates.map(c => c.family));
  const button = family => choiceButton("family", family, family === state.family, family || "all");
  byId("families").innerHTML = families.length < 2 ? "" : ["", ...families].map(button).join("");
}

function drawHeatmap() {
  const problem = chosenProblem();
  drawFamilies(problem);
  const cells = tilesOf(problem), grid = heatmapGrid(cells);
  const speeds = cells.filter(c => c.best).map(c => c.best.tflops);
  const low = Math.min(...speeds), high = Math.max(...speeds);
  const shareOf = ({best}) => !best ? 0 : high > low ? (best.tflops - low) / (high - low) : 1;
  const allKept = problem.measured + problem.failed <= problem.candidates.length;
  const blank = allKept ? "not tried" : "not tried, or not kept in the record";
  draw("heatmap", grid.width, grid.height,
    heatmapBlanks(grid, cells, blank) +
    cells.map(cell => heatmapCell(grid, cell, shareOf(cell))).join("") +
    heatmapAxes(grid) +
    (speeds.length ? heatmapLegend(grid, low, high, blank) : ""));
}
