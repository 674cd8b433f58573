"use strict";
// Draws everything of the page from the JSON in #data, of one device at a time. One function per plot or table; `state` is
// what the reader has chosen; no variant: that of the problem.
const data = JSON.parse(document.getElementById("data").textContent);
const state = {device: data.device, problem: 0, family: "", variant: "", tab: "SASS"};
data.problems.forEach((problem, i) => problem.index = i);
// What else is known of a device whose own roofs nobody has measured.
const kBeside = {"NVIDIA H200": ["H100", "An H200 has the same tensor cores and 1.4 times the memory bandwidth."]};
const kPeerColours = {"cuDNN": "--peer-0", "FlashAttention-3": "--peer-1", "FlashAttention-2": "--peer-2"};
const kUnits = [["matrix", "HGMMA, HMMA"], ["exp", "MUFU"], ["fp32", "FFMA, FADD, FMNMX, …"], ["convert", "F2FP, …"],
  ["shared", "LDS, STS, LDSM"], ["global", "LDG, STG, TMA"], ["local", "LDL, STL: spills"],
  ["barrier", "BAR, SYNCS, WARPGROUP"], ["other", "addresses, predicates, branches"]];
const kOpcodes = [["matrix", /\b(HGMMA|HMMA|wgmma\.mma_async|mma\.sync)/], ["exp", /\b(MUFU|ex2\.)/],
  ["shared", /\b(LDSM|LDS|STSM|STS|ldmatrix|stmatrix|ld\.shared|st\.shared)/],
  ["barrier", /\b(BAR|SYNCS|WARPSYNC|WARPGROUP|DEPBAR|LDGDEPBAR|bar\.|mbarrier|wgmma\.(fence|commit|wait))/],
  ["global", /\b(LDG|STG|UTMALDG|UTMASTG|ld\.global|st\.global|cp\.async)/]];

const byId = id => document.getElementById(id);
const escape = text => String(text).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
const number = (x, digits = 0) => x == null ? "–" : x.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
const percent = x => (x >= 0 ? "+" : "−") + Math.abs(x * 100).toFixed(1) + " %";
const tip = text => ` data-tip="${escape(text)}"`;
const bestPeer = problem => Object.entries(problem.peers || {}).reduce((best, peer) => best && best[1] >= peer[1] ? best : peer, null);
const shownProblems = () => data.problems.filter(p => p.device === state.device);
const isWinner = (variant, problem) => problem.winner === variant.name && problem.arch === variant.arch;
const shownVariants = () => data.variants.filter(v => shownProblems().some(p => isWinner(v, p) || (p.default === v.name && p.arch === v.arch)));
const a = device => (/^[AEIOU]|^N[A-Z]/.test(device) ? "an " : "a ") + device;
const geomean = values => Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length);
const badgesOf = problem => [!problem.complete && ["incomplete", "The search was stopped before its paired finals: the default is its winner, and no look-up takes the record."],
  !problem.these_sources && ["other sources", "Measured with other kernel sources than this program has: a look-up takes it as a hint only."]].filter(x => x);
const badges = problem => badgesOf(problem).map(([name, what]) => ` <em class="badge"${tip(what)}>${name}</em>`).join("");
const timed = problem => problem.candidates.filter(c => c.tflops != null);

// A table of `heads`, [name, "left" or ""], and rows of cells, [HTML, class, attributes]. In a narrow window a row is
// a block of named values.
function fillTable(id, heads, rows) {
  byId(id).innerHTML = `<thead><tr>${heads.map(([name, side]) => `<th class="${side || ""}">${name}</th>`).join("")}</tr></thead><tbody>` +
    rows.map(([attributes, cells]) => `<tr ${attributes}>${cells.map(([text, kind, more], i) =>
      `<td data-label="${heads[i][0]}" class="${kind || ""}"${more || ""}>${text}</td>`).join("")}</tr>`).join("") + "</tbody>";
}
const tilingCell = (tiling, name, more = "") => [escape(tiling).replace(/_/g, "_<wbr>"), "name", ` title="${escape(name)}"${more}`];

// An SVG of width × height user units; its width in pixels; ticks at round numbers, linear and logarithmic.
function draw(id, width, height, body) {
  const svg = byId(id);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.innerHTML = body;
}
const widthOf = id => Math.max(400, Math.min(1160, byId(id).clientWidth || 1160));
function ticks(from, to, count) {
  const raw = (to - from) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= raw * .9999);
  const all = [];
  for (let i = Math.ceil(from / step - 1e-4) + 0; i * step <= to + 1e-4 * step; ++i) all.push(i * step);
  return all;
}
function logTicks(from, to, pixels) {
  const distance = (x, y) => Math.log(y / x) / Math.log(to / from) * pixels;
  for (const digits of [[1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5], [1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1]]) {
    const all = [];
    for (let power = 10 ** Math.floor(Math.log10(from)); power <= to; power *= 10) all.push(...digits.map(d => d * power));
    const inside = all.filter(x => x >= from && x <= to);
    if (inside.every((x, i) => i === 0 || distance(inside[i - 1], x) >= 16)) return inside;
  }
  return [from, to];
}

function drawDevices() {
  byId("devices").innerHTML = data.devices.length < 2 ? "" : data.devices.map(d => `<button type="button" data-device="${escape(d.name)}" class="${d.name === state.device ? "on" : ""}"${
    tip(`${d.problems} problem${d.problems > 1 ? "s" : ""}, the last measured ${d.date || "at an unknown date"}\n${d.these_sources} with the kernel sources of this program`)}>${escape(d.name)}</button>`).join("");
  byId("about").textContent = [state.device, data.compiler, `flashjit ${data.version}`, `made ${data.created}`].filter(x => x).join(" · ");
}

function drawSummary() {
  const problems = shownProblems(), complete = problems.filter(p => p.complete), open = problems.length - complete.length;
  const gains = complete.filter(p => p.default_us > 0 && p.winner_us > 0).map(p => p.default_us / p.winner_us);
  const measured = problems.reduce((n, p) => n + p.measured, 0), failed = problems.reduce((n, p) => n + p.failed, 0);
  const best = Math.max(...problems.map(p => p.winner_tflops || 0));
  const tiles = [[complete.length, `problems tuned${open ? `, ${open} incomplete` : ""}`],
    [number(measured), `candidates measured${failed ? `, ${number(failed)} failed` : ""}`],
    [gains.length ? percent(geomean(gains) - 1) : "–", "tuned over default, geometric mean"],
    [complete.filter(p => p.winner !== p.default).length, "problems where another tiling than the default won"],
    [number(best), "TFLOP/s at the best problem"]];
  byId("summary").innerHTML = tiles.map(([value, name]) => `<div class="tile"><b>${value}</b><span>${escape(name)}</span></div>`).join("");
}

// Whose numbers the peers' are: no ratio to them is told, for they are of another day and other clocks.
function peersNote() {
  const b = data.baseline;
  return b ? `The peers were measured on ${a(b.device)} in another session${b.date ? `, ${b.date}` : ""}, not beside the tuner's candidates. The tuner keeps the device hot, so the clocks differ and the two do not make a ratio.` : "";
}

function drawProblems() {
  const problems = shownProblems(), top = Math.max(...problems.map(p => p.winner_tflops || 0), 1);
  const peers = problems.some(bestPeer);
  byId("problems-lead").textContent = `Tuned against the heuristic's default, in TFLOP/s on ${a(state.device)}. Choose a row to see its search below. ${peers ? peersNote() : ""}`;
  byId("peers").hidden = !(peers && data.baseline.note);
  byId("peers-note").textContent = peers ? data.baseline.note : "";
  const heads = [["problem", "left"], ["default"], ["tuned"], ["gain"], ...(peers ? [["best peer, another session"]] : []), ["winner", "left"]];
  fillTable("problems", heads, problems.map(p => {
    const peer = bestPeer(p), gain = p.default_us > 0 && p.winner_us > 0 ? p.default_us / p.winner_us - 1 : null;
    const peerTip = peer ? tip(Object.entries(p.peers).map(([n, t]) => `${n}: ${number(t)}`).join("\n") + `\n${peersNote()}`) : "";
    return [`class="choice-row${p.index === state.problem ? " selected" : ""}" data-problem="${p.index}"`, [
      [escape(p.title) + badges(p), "left"], [number(p.default_tflops)],
      [`${number(p.winner_tflops)}<span class="meter"><i style="width:${(p.winner_tflops || 0) / top * 100}%"></i></span>`, "win"],
      [gain == null ? "–" : percent(gain)], ...(peers ? [[peer ? number(peer[1]) : "–", "", peerTip]] : []),
      tilingCell(p.winner_tiling, p.winner)]];
  }));
}

// The best candidate of each tile, or the first failure where none was timed.
function tilesOf(problem) {
  const cells = new Map();
  for (const c of problem.candidates) {
    if (state.family && c.family !== state.family) continue;
    const key = `${c.block_m}×${c.block_n}`;
    const cell = cells.get(key) || {m: c.block_m, n: c.block_n, best: null, count: 0, failed: 0, error: "", names: []};
    ++cell.count;
    cell.names.push(c.variant);
    if (c.error) { ++cell.failed; cell.error = cell.error || c.error; }
    if (c.tflops != null && (!cell.best || c.tflops > cell.best.tflops)) cell.best = c;
    cells.set(key, cell);
  }
  return [...cells.values()];
}

function drawHeatmap() {
  const problem = data.problems[state.problem];
  const families = [...new Set(problem.candidates.map(c => c.family))];
  byId("families").innerHTML = families.length < 2 ? "" : ["", ...families].map(f =>
    `<button type="button" data-family="${f}" class="${f === state.family ? "on" : ""}">${f || "all"}</button>`).join("");
  const cells = tilesOf(problem);
  const ms = [...new Set(cells.map(c => c.m))].sort((a, b) => b - a), ns = [...new Set(cells.map(c => c.n))].sort((a, b) => a - b);
  const values = cells.filter(c => c.best).map(c => c.best.tflops);
  const low = Math.min(...values), high = Math.max(...values);
  const left = 52, top = 6, width = 640, cw = (width - left - 4) / Math.max(ns.length, 1), ch = Math.min(56, Math.max(30, 250 / Math.max(ms.length, 1)));
  const height = top + ms.length * ch + 96;
  const kept = problem.measured + problem.failed <= problem.candidates.length, blank = kept ? "not tried" : "not tried, or not kept in the record";
  let body = "";
  for (const m of ms) for (const n of ns) {
    if (cells.some(c => c.m === m && c.n === n)) continue;
    const x = left + (ns.indexOf(n) + .5) * cw, y = top + (ms.indexOf(m) + .5) * ch;
    body += `<g class="untried"${tip(`block_m ${m} × block_n ${n}: ${blank}`)}><rect x="${x - cw / 2 + 1.5}" y="${y - ch / 2 + 1.5}" width="${cw - 3}" height="${ch - 3}"/><circle cx="${x}" cy="${y}" r="1.8"/></g>`;
  }
  for (const c of cells) {
    const x = left + ns.indexOf(c.n) * cw, y = top + ms.indexOf(c.m) * ch;
    const winner = c.names.includes(problem.winner), usual = c.names.includes(problem.default);
    const share = c.best ? (high > low ? (c.best.tflops - low) / (high - low) : 1) : 0;
    const text = (c.best ? `block_m ${c.m} × block_n ${c.n}: ${number(c.best.tflops, 1)} TFLOP/s\n${number(c.best.time_us, 1)} µs ± ${number(c.best.spread_us, 1)}\n${c.best.variant}` :
      `block_m ${c.m} × block_n ${c.n}: ${c.error || "not timed"}`) + `\n${c.count} candidate${c.count > 1 ? "s" : ""}${c.failed ? `, ${c.failed} failed` : ""}` +
      (winner ? "\nthe winner's tile" : "") + (usual ? "\nthe default's tile" : "");
    const fill = c.best ? ` style="fill:color-mix(in oklab, var(--heat-hi) ${(share * 100).toFixed(1)}%, var(--heat-lo))"` : "";
    body += `<g class="cell${winner ? " winner" : ""}${usual ? " default" : ""}${c.best ? "" : " failed"}"${tip(text)}>
      <rect x="${x + 1.5}" y="${y + 1.5}" width="${cw - 3}" height="${ch - 3}" rx="3"${fill}/>` +
      (usual ? `<path class="corner" d="M${x + 4} ${y + ch - 4}v-13l13 13z"/>` : "") +
      (winner ? `<path class="winner-mark" d="M${x + cw - 9} ${y + 3.2}l1.5 3.2 3.5.4-2.6 2.3.7 3.4-3.1-1.7-3.1 1.7.7-3.4-2.6-2.3 3.5-.4z"/>` : "") +
      (cw >= 26 ? `<text x="${x + cw / 2}" y="${y + ch / 2 + 4}" text-anchor="middle" style="fill:var(--heat-text-${share > .55 ? "hi" : "lo"})">${c.best ? number(c.best.tflops) : "✕"}</text>` : "") + "</g>";
  }
  for (const m of ms) body += `<text x="${left - 8}" y="${top + ms.indexOf(m) * ch + ch / 2 + 4}" text-anchor="end">${m}</text>`;
  for (const n of ns) body += `<text x="${left + ns.indexOf(n) * cw + cw / 2}" y="${top + ms.length * ch + 15}" text-anchor="middle">${n}</text>`;
  body += `<text x="${left + (width - left) / 2}" y="${top + ms.length * ch + 32}" text-anchor="middle">block_n: keys of a step</text>
    <text transform="translate(11 ${top + ms.length * ch / 2}) rotate(-90)" text-anchor="middle">block_m: rows</text>`;
  if (values.length) {
    const y = height - 48;
    for (let i = 0; i < 40; ++i) body += `<rect x="${left + i * 4}" y="${y}" width="4.3" height="9" style="fill:color-mix(in oklab, var(--heat-hi) ${i / 39 * 100}%, var(--heat-lo))"/>`;
    body += `<text x="${left}" y="${y + 21}">${number(low)}</text><text x="${left + 160}" y="${y + 21}" text-anchor="end">${number(high)} TFLOP/s</text>
      <path class="winner-mark" d="M${left + 190} ${y - .8}l1.5 3.2 3.5.4-2.6 2.3.7 3.4-3.1-1.7-3.1 1.7.7-3.4-2.6-2.3 3.5-.4z"/><text x="${left + 200}" y="${y + 9}">winner</text>
      <g class="cell default"><path class="corner" d="M${left + 253} ${y + 10}v-13l13 13z"/></g><text x="${left + 272}" y="${y + 9}">default</text>
      <text x="${left + 335}" y="${y + 9}">✕ no candidate of the tile ran</text>
      <g class="untried"><circle cx="${left + 185}" cy="${y + 26}" r="1.8"/></g><text class="untried-legend" x="${left + 200}" y="${y + 30}">blank: ${blank}</text>`;
  }
  draw("heatmap", width, height, body);
}

function drawComparison() {
  const p = data.problems[state.problem], peers = Object.entries(p.peers || {});
  const bars = [["tuned", p.winner_tflops, "--tuned", p.winner], ["default", p.default_tflops, "--default", p.default || "the heuristic's choice"],
    ...peers.map(([name, t]) => [name, t, kPeerColours[name] || "--peer-0", peersNote()])].filter(b => b[1] != null);
  byId("comparison-title").textContent = peers.length ? "Beside the default and the peers" : "Beside the default";
  byId("comparison-note").textContent = peers.length ? peersNote() : "";
  const width = 500, left = 112, right = 48, row = 26, top = 4, roof = data.roofs && data.roofs.device === p.device && data.roofs.tflops;
  const limit = Math.max(...bars.map(b => b[1]), 1) * 1.02, scale = (width - left - right) / limit;
  const height = top + bars.length * row + 34;
  let body = "";
  for (const t of ticks(0, limit, 5)) body += `<line class="grid" x1="${left + t * scale}" x2="${left + t * scale}" y1="${top}" y2="${top + bars.length * row}"/>
    <text x="${left + t * scale}" y="${top + bars.length * row + 15}" text-anchor="middle">${number(t)}</text>`;
  bars.forEach(([name, value, colour, note], i) => {
    const y = top + i * row;
    body += `<g class="bar-row"${tip(`${name}: ${number(value, 1)} TFLOP/s\n${note}${roof && p.dtype !== "fp32" ? `\n${(value / roof * 100).toFixed(0)} % of a large GEMM` : ""}`)}>
      <text x="${left - 8}" y="${y + row / 2 + 4}" text-anchor="end">${escape(name)}</text>
      <rect class="bar-mark" x="${left}" y="${y + 4}" width="${Math.max(value * scale, 1)}" height="${row - 8}" rx="3" style="fill:var(${colour})"/>
      <text class="value" x="${left + value * scale + 6}" y="${y + row / 2 + 4}">${number(value)}</text></g>`;
  });
  body += `<text x="${left + (width - left - right) / 2}" y="${height - 4}" text-anchor="middle">TFLOP/s</text>`;
  draw("comparison", width, height, body);
}

function drawRanking() {
  const p = data.problems[state.problem];
  const list = timed(p).sort((a, b) => a.time_us - b.time_us);
  const width = 500, left = 44, top = 8, plot = 150, height = top + plot + 50;
  // Hopeless candidates must not flatten the rest: slower than twice the winner is drawn at the upper edge. The axis begins
  // below the fastest, not at 0, for they are close to each other.
  const fastest = Math.min(...list.map(c => c.time_us), p.default_us || Infinity), far = 2 * (p.winner_us || Infinity);
  const slowest = Math.min(Math.max(...list.map(c => c.time_us), p.default_us || 0, 1e-9), far);
  const margin = Math.max((slowest - fastest) * .12, fastest * .005), from = Math.max(0, fastest - margin), limit = slowest + margin;
  const digits = limit - from < 4 ? 2 : limit - from < 20 ? 1 : 0;
  const x = i => left + 6 + (width - left - 16) * (list.length > 1 ? i / (list.length - 1) : .5), y = t => top + plot - (Math.min(t, limit) - from) / (limit - from) * plot;
  let body = "";
  for (const t of ticks(from, limit, 4)) body += `<line class="grid" x1="${left}" x2="${width - 4}" y1="${y(t)}" y2="${y(t)}"/><text x="${left - 6}" y="${y(t) + 4}" text-anchor="end" class="tick">${number(t, digits)}</text>`;
  if (p.default_us > 0) body += `<line x1="${left}" x2="${width - 4}" y1="${y(p.default_us)}" y2="${y(p.default_us)}" style="stroke:var(--default)" stroke-dasharray="5 4"/>
    <text x="${width - 6}" y="${y(p.default_us) + (y(p.default_us) < top + 18 ? 14 : -5)}" text-anchor="end">default ${number(p.default_us, 1)} µs</text>`;
  list.forEach((c, i) => {
    const winner = c.variant === p.winner;
    body += `<circle class="rank${winner ? " winner-mark" : ""}" cx="${x(i)}" cy="${y(c.time_us)}" r="${winner ? 5 : 3}" style="fill:var(${winner ? "--win" : "--tuned"})"${tip(`#${i + 1}: ${number(c.time_us, 1)} µs ± ${number(c.spread_us, 1)}, ${number(c.tflops)} TFLOP/s\n${c.variant}${winner ? "\nthe winner of the paired finals" : ""}`)}/>`;
  });
  body += `<line class="axis" x1="${left}" x2="${width - 4}" y1="${top + plot}" y2="${top + plot}"/><text x="${left}" y="${top + plot + 16}">fastest</text>
    <text x="${width - 4}" y="${top + plot + 16}" text-anchor="end">${list.length} timed candidates · µs</text>
    <text class="zoomed" x="${left}" y="${top + plot + 36}">The axis begins at ${number(from, digits)} µs, not at 0${list.some(c => c.time_us > limit) ? `; slower than ${number(limit, digits)} µs: at the edge` : ""}.</text>`;
  draw("ranking", width, height, body);
}

function drawProblem() {
  const p = data.problems[state.problem];
  byId("problem-title").textContent = p.title;
  byId("problem-badges").innerHTML = badges(p);
  byId("problem-lead").textContent = `Winner ${p.winner_tiling}: ${number(p.winner_us, 1)} µs, default ${number(p.default_us, 1)} µs. Measured ${p.date || "at an unknown date"} on ${p.device}: ${number(p.measured)}${p.legal ? ` of ${number(p.legal)} legal` : ""} tilings${p.failed ? `, ${number(p.failed)} failed` : ""}${p.measured + p.failed > p.candidates.length ? `, ${p.candidates.length} of them kept` : ""}${p.rounds ? `; finals of ${p.rounds} rounds` : ""}${p.policy ? `; ${p.policy}` : ""}.`;
  if (state.family && !p.candidates.some(c => c.family === state.family)) state.family = "";
  drawHeatmap();
  drawComparison();
  drawRanking();
  const sorted = [...p.candidates].sort((a, b) => (a.time_us ?? Infinity) - (b.time_us ?? Infinity));
  fillTable("candidates", [["tiling", "left"], ["µs"], ["±"], ["TFLOP/s"], ["error", "left"]], sorted.map(c => [`class="${c.variant === p.winner ? "selected" : ""}"`,
    [tilingCell(c.tiling, c.variant), [number(c.time_us, 1)], [number(c.spread_us, 1)], [number(c.tflops)], [escape(c.error), "left bad"]]]));
}

function drawRoofline() {
  const width = widthOf("roofline"), height = 420, left = 56, right = width < 800 ? 12 : 160, top = 12, bottom = 64;
  const roofs = data.roofs, points = shownProblems().filter(p => p.winner_tflops > 0), own = roofs && roofs.device === state.device;
  const peak = roofs ? roofs.tflops : 0, ridge = roofs ? roofs.tflops * 1e3 / roofs.gb_per_s : 0;
  const xs = points.map(p => p.intensity).concat(ridge || []), ys = points.flatMap(p => [p.winner_tflops, p.default_tflops || p.winner_tflops]).concat(peak || []);
  const x0 = 2 ** Math.floor(Math.log2(Math.min(...xs) / 1.5)), x1 = 2 ** Math.ceil(Math.log2(Math.max(...xs) * 1.3));
  const y0 = Math.min(...ys) * .85, y1 = Math.max(...ys) * 1.12;
  const x = v => left + Math.log(v / x0) / Math.log(x1 / x0) * (width - left - right), y = v => height - bottom - Math.log(v / y0) / Math.log(y1 / y0) * (height - top - bottom);
  const beside = roofs && kBeside[state.device] && roofs.device.includes(kBeside[state.device][0]) ? " " + kBeside[state.device][1] : "";
  byId("roofline-lead").textContent = (!roofs ? "No measured roofs: only the points are drawn. " : own ?
    `Roofs as measured on ${a(roofs.device)}: ${number(peak)} TFLOP/s of a large bf16 GEMM, ${number(roofs.gb_per_s)} GB/s of a device copy. ` :
    `There are no measured roofs of ${a(state.device)} here. Dashed: the roofs of ${a(roofs.device)}, ${number(peak)} TFLOP/s of a large bf16 GEMM, ${number(roofs.gb_per_s)} GB/s of a device copy.${beside} `) +
    "Intensity counts Q, K, V and O once. A filled point is the tuned variant, a ring the default.";
  let body = "", last = -Infinity;
  for (let v = x0; v <= x1 * 1.001; v *= 2) {
    body += `<line class="grid" x1="${x(v)}" x2="${x(v)}" y1="${top}" y2="${height - bottom}"/>`;
    if (x(v) - last < 40) continue;
    last = x(v);
    body += `<text x="${x(v)}" y="${height - bottom + 16}" text-anchor="middle">${number(v)}</text>`;
  }
  for (const v of logTicks(y0, y1, height - top - bottom)) body += `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(v)}" y2="${y(v)}"/><text class="tick" x="${left - 8}" y="${y(v) + 4}" text-anchor="end">${number(v)}</text>`;
  if (roofs) {
    const from = Math.max(x0, y0 * 1e3 / roofs.gb_per_s), bend = Math.max(ridge, x0), name = [`GEMM ${number(peak)} TFLOP/s`, `${own ? "" : "roofs "}of ${a(roofs.device)}`];
    body += `<path class="roof" d="M${x(from)} ${y(Math.min(from * roofs.gb_per_s / 1e3, peak))}L${x(bend)} ${y(peak)}L${x(x1)} ${y(peak)}" fill="none" style="stroke:var(--muted);stroke-width:2"${own ? "" : ' stroke-dasharray="7 4"'}/>` +
      (right < 100 ? `<text class="roof-name" x="${width - right - 4}" y="${y(peak) - 7}" text-anchor="end">${escape(name.join(", "))}</text>` :
        // "of an NVIDIA H100 80GB HBM3" and its like, in two lines beside the plot.
        [name[0], ...name[1].split(/ (?=\S+ \S+$)/)].map((text, i) => `<text class="roof-name" x="${width - right + 8}" y="${y(peak) + 4 + 14 * i}">${escape(text)}</text>`).join(""));
  }
  for (const p of points) {
    const on = p.index === state.problem, text = tip(`${p.title}\n${number(p.winner_tflops)} TFLOP/s tuned, ${number(p.default_tflops)} default\n${number(p.intensity)} FLOP per byte${own ? `\n${(p.winner_tflops / Math.min(peak, p.intensity * roofs.gb_per_s / 1e3) * 100).toFixed(0)} % of the roof` : ""}`);
    body += `<circle class="point${on ? " selected" : ""}" data-problem="${p.index}" cx="${x(p.intensity)}" cy="${y(p.winner_tflops)}" r="${on ? 7 : 4.5}" style="cursor:pointer;fill:var(${p.causal ? "--peer-1" : "--tuned"});${on ? "stroke:var(--win);stroke-width:3" : "stroke:var(--card)"}"${text}/>`;
  }
  for (const p of points) if (p.default_tflops) body += `<circle class="default-point" cx="${x(p.intensity)}" cy="${y(p.default_tflops)}" r="6" fill="none" style="stroke:var(--text);stroke-width:1.2;pointer-events:none"/>`;
  body += `<line class="axis" x1="${left}" x2="${width - right}" y1="${height - bottom}" y2="${height - bottom}"/><text x="${left + (width - left - right) / 2}" y="${height - 28}" text-anchor="middle">FLOP per byte of Q, K, V, O</text>
    <text transform="translate(12 ${(height - bottom) / 2}) rotate(-90)" text-anchor="middle">TFLOP/s</text>`;
  [["full", "fill:var(--tuned)"], ["causal", "fill:var(--peer-1)"], ["default", "fill:none;stroke:var(--text);stroke-width:1.2"]].forEach(([name, style], i) =>
    body += `<circle cx="${left + 6 + i * 70}" cy="${height - 8}" r="5" style="${style}"/><text x="${left + 17 + i * 70}" y="${height - 4}">${name}</text>`);
  draw("roofline", width, height, body);
}

function drawVariants() {
  byId("variants-lead").textContent = data.compiler ? "The winners and the defaults, compiled by this program. Spills cost 30 – 50 %."
    : `Resources are not known without a compiler: ${data.compiler_error}`;
  const heads = [["problem", "left"], ["tiling", "left"], ["wins"], ["registers"], ["spill B"], ["smem KiB"], ["threads"], ["CTAs/SM"], ["warps/SM"], ["limited by", "left"], ["cubin KiB"], ["compile ms"]];
  fillTable("variants", heads, shownVariants().map(v => {
    const r = v.resources || {}, spills = (r.spill_store_bytes || 0) + (r.spill_load_bytes || 0);
    return ["", [[escape(v.kind), "left"], tilingCell(v.tiling, v.name, v.error ? tip(v.error) : ""), [shownProblems().filter(p => isWinner(v, p)).length || "–"], [number(r.registers)],
      [number(v.resources ? spills : null), spills ? "bad" : ""], [number(v.smem_bytes / 1024, 1)], [v.threads], [number(r.ctas_per_sm)],
      [r.warps_per_sm == null ? "–" : `${r.warps_per_sm} / ${r.max_warps_per_sm}`], [escape(r.limited_by || (v.error ? "does not compile" : "–")), "left"],
      [number(r.cubin_bytes == null ? null : r.cubin_bytes / 1024, 1)], [number(r.compile_ms)]]];
  }));
}

function drawMix() {
  const list = shownVariants().filter(v => v.mix), width = widthOf("mix");
  byId("mix-legend").innerHTML = kUnits.filter(([unit]) => list.some(v => v.mix.main_loops[unit])).map(([unit, what]) => `<span${tip(what)}><i style="background:var(--unit-${unit})"></i>${unit}</span>`).join("");
  if (!list.length) {
    const why = shownVariants().map(v => v.sass_error || v.error).find(x => x) || "there is no compiler";
    draw("mix", width, 0, "");
    byId("mix-note").textContent = `Not known: ${why}`;
    return;
  }
  byId("mix-note").textContent = "";
  // 11 px of a fixed-width font are 6.6 wide. In a narrow window a name stands above its bar.
  const name = v => `${v.kind} ${v.tiling}`, longest = 16 + Math.ceil(6.7 * Math.max(...list.map(v => name(v).length)));
  const above = longest > width * .5, left = above ? 0 : longest, right = 60, row = above ? 36 : 22, sum = v => Object.values(v.mix.main_loops).reduce((a, b) => a + b, 0);
  const limit = Math.max(...list.map(sum), 1), scale = (width - left - right) / limit, font = "font-family:ui-monospace,Menlo,Consolas,'Liberation Mono',monospace";
  let body = "";
  list.forEach((v, i) => {
    const y = i * row + (above ? 15 : 0);
    let x = left;
    body += above ? `<text x="0" y="${y - 2}" style="${font}"${longest > width ? ` textLength="${width}" lengthAdjust="spacingAndGlyphs"` : ""}>${escape(name(v))}</text>` :
      `<text x="${left - 8}" y="${y + 15}" text-anchor="end" style="${font}">${escape(name(v))}</text>`;
    for (const [unit, what] of kUnits) {
      const n = v.mix.main_loops[unit];
      if (!n) continue;
      body += `<rect class="mix-part" x="${x}" y="${y + 3}" width="${Math.max(n * scale - .6, .4)}" height="15" style="fill:var(--unit-${unit})"${tip(`${v.name}\n${unit} (${what}): ${n} of ${sum(v)} in the main loops, ${v.mix.rest[unit]} elsewhere`)}/>`;
      x += n * scale;
    }
    body += `<text class="value" x="${x + 6}" y="${y + 15}">${sum(v)}</text>`;
  });
  draw("mix", width, list.length * row + 4, body);
}

function codeHtml(text) {
  return escape(text).split("\n").map(line => {
    const unit = kOpcodes.find(([, pattern]) => pattern.test(line));
    return unit ? `<span class="u-${unit[0]}">${line}</span>` : line;
  }).join("\n");
}
function fold(title, text, open, mainLoop, coloured) {
  return `<details class="${mainLoop ? "main-loop" : ""}"${open ? " open" : ""}><summary>${escape(title)}</summary><pre>${coloured ? codeHtml(text) : escape(text)}</pre></details>`;
}
// That of the problem chosen, else of the largest problem with its head_dim and mask.
function drawCode() {
  const problem = data.problems[state.problem], list = data.variants.filter(v => v.source && shownProblems().some(p => isWinner(v, p)));
  byId("code").hidden = !list.length;
  if (!list.length) return;
  const own = list.find(v => isWinner(v, problem));
  const v = list.find(v => v.name === state.variant) || own || list.find(v => v.kind === problem.kind) || list[0];
  const won = shownProblems().filter(p => isWinner(v, p)).map(p => p.title), single = v => list.filter(other => other.kind === v.kind).length === 1;
  byId("code-title").textContent = "Source, PTX and SASS";
  byId("code-lead").textContent = `${v.name}, the winner of ${won.slice(0, 2).join("; ")}${won.length > 2 ? `; ${won.length - 2} more` : ""}. ${own || state.variant ? "" :
    `The winner of the problem chosen is not among those shown; \u2011\u2011code N shows more. `}Open: the main loops. Folded: what stands around them. ${v.sass_error ? `No SASS: ${v.sass_error}` : ""}`;
  byId("code-variants").innerHTML = list.map(other => `<button type="button" data-variant="${escape(other.name)}" title="${escape(other.name)}" class="${other === v ? "on" : ""}">${escape(single(other) ? other.kind : `${other.kind} ${other.tiling}`)}</button>`).join("");
  const tabs = ["source", v.ptx && "PTX", v.sass && "SASS"].filter(x => x);
  const tab = tabs.includes(state.tab) ? state.tab : tabs[tabs.length - 1];
  byId("code-tabs").innerHTML = tabs.map(t => `<button type="button" data-tab="${t}" class="${t === tab ? "on" : ""}">${t}</button>`).join("");
  if (tab === "source") {
    const family = v.name.split("_")[1] + "/";
    const files = Object.keys(data.sources).filter(path => path.startsWith(family));
    const main = files.find(path => path.includes("mainloop")) || files.find(path => path.includes("fwd_kernel"));
    byId("code-body").innerHTML = fold(`${v.name}.cu, generated`, v.source, true) +
      files.map(path => fold(`kernel_src/${path}`, data.sources[path], path === main, path === main)).join("");
    return;
  }
  byId("code-body").innerHTML = (tab === "PTX" ? v.ptx : v.sass).map((part, i, all) => fold(
    part.main_loop ? `Main loop: ${number(part.instructions)} instructions` : `${i === 0 ? "Before" : i === all.length - 1 ? "After" : "Between"}: ${number(part.instructions)} instructions`,
    part.text, part.main_loop, part.main_loop, true)).join("");
}

function drawAll() {
  drawDevices();
  drawSummary();
  drawProblems();
  drawProblem();
  drawRoofline();
  drawVariants();
  drawMix();
  drawCode();
}
// The same problem of the other device, where it has it.
function chooseDevice(device) {
  const before = data.problems[state.problem];
  state.device = device;
  state.variant = "";
  const problems = shownProblems();
  state.problem = (problems.find(p => before && p.title === before.title) || problems[0]).index;
  drawAll();
}
function choose(element) {
  const choice = element.closest("[data-device],[data-problem],[data-family],[data-variant],[data-tab]");
  if (!choice) return;
  const {device, problem, family, variant, tab} = choice.dataset;
  if (device != null) chooseDevice(device);
  if (problem != null) { state.problem = Number(problem); state.variant = ""; drawProblems(); drawProblem(); drawRoofline(); drawCode(); }
  if (family != null) { state.family = family; drawHeatmap(); }
  if (variant != null) { state.variant = variant; drawCode(); }
  if (tab != null) { state.tab = tab; drawCode(); }
}
function showTip(event) {
  const target = event.target.closest("[data-tip]"), box = byId("tip");
  box.hidden = !target;
  if (!target) return;
  box.textContent = target.dataset.tip;
  box.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)) + "px";
  box.style.top = (event.clientY + 18 + box.offsetHeight > innerHeight ? event.clientY - box.offsetHeight - 10 : event.clientY + 18) + "px";
}

document.addEventListener("click", event => choose(event.target));
document.addEventListener("mousemove", showTip);
byId("theme").addEventListener("click", () => {
  const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
addEventListener("resize", () => { drawRoofline(); drawMix(); });
state.problem = shownProblems()[0].index;
drawAll();
document.documentElement.dataset.drawn = "yes";
