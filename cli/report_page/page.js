"use strict";
// Draws everything of the page from the JSON in #data. One function per plot or table; `state` is what the reader has
// chosen.
const data = JSON.parse(document.getElementById("data").textContent);
const state = {problem: 0, family: "", variant: 0, tab: "SASS"};
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
const geomean = values => Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length);
const badgesOf = problem => [!problem.complete && ["incomplete", "The search was stopped before its paired finals: the default is its winner, and no look-up takes the record."],
  !problem.these_sources && ["other sources", "Measured with other kernel sources than this program has: a look-up takes it as a hint only."]].filter(x => x);
const badges = problem => badgesOf(problem).map(([name, what]) => ` <em class="badge"${tip(what)}>${name}</em>`).join("");
const timed = problem => problem.candidates.filter(c => c.tflops != null);

// An SVG of width × height user units, and ticks at round numbers.
function draw(id, width, height, body) {
  const svg = byId(id);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.innerHTML = body;
}
function ticks(limit, count) {
  const raw = limit / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= raw);
  const all = [];
  for (let x = 0; x <= limit * 1.0001; x += step) all.push(x);
  return all;
}

function drawAbout() {
  const distinct = key => [...new Set(data.problems.map(p => p[key]))].filter(x => x).join(", ");
  byId("about").textContent = [distinct("device"), data.compiler, `flashjit ${data.version}`, `made ${data.created}`]
    .filter(x => x).join(" · ");
  const complete = data.problems.filter(p => p.complete), open = data.problems.length - complete.length;
  const gains = complete.filter(p => p.default_us > 0 && p.winner_us > 0).map(p => p.default_us / p.winner_us);
  const ratios = complete.filter(bestPeer).map(p => p.winner_tflops / bestPeer(p)[1]);
  const measured = data.problems.reduce((n, p) => n + p.measured, 0), failed = data.problems.reduce((n, p) => n + p.failed, 0);
  const best = Math.max(...data.problems.map(p => p.winner_tflops || 0));
  const tiles = [[complete.length, `problems tuned${open ? `, ${open} incomplete` : ""}`],
    [number(measured), `candidates measured${failed ? `, ${number(failed)} failed` : ""}`],
    [gains.length ? percent(geomean(gains) - 1) : "–", "tuned over default, geometric mean"],
    [ratios.length ? geomean(ratios).toFixed(2) + " ×" : "–", ratios.length ? `the best peer of another session, geometric mean of ${ratios.length}` : "no peers' baseline for these problems"],
    [number(best), "TFLOP/s at the best problem"]];
  byId("summary").innerHTML = tiles.map(([value, name]) => `<div class="tile"><b>${value}</b><span>${escape(name)}</span></div>`).join("");
}

function drawProblems() {
  const top = Math.max(...data.problems.map(p => p.winner_tflops || 0), 1);
  const rows = data.problems.map((p, i) => {
    const peer = bestPeer(p);
    const gain = p.default_us > 0 && p.winner_us > 0 ? p.default_us / p.winner_us - 1 : null;
    return `<tr class="choice-row${i === state.problem ? " selected" : ""}" data-problem="${i}"><td class="left">${escape(p.title)}${badges(p)}</td>
      <td>${number(p.default_tflops)}</td>
      <td class="win">${number(p.winner_tflops)}<span class="meter"><i style="width:${(p.winner_tflops || 0) / top * 100}%"></i></span></td>
      <td>${gain == null ? "–" : percent(gain)}</td><td${peer ? tip(Object.entries(p.peers).map(([n, t]) => `${n}: ${number(t)}`).join("\n")) : ""}>${peer ? number(peer[1]) : "–"}</td>
      <td>${peer ? (p.winner_tflops / peer[1]).toFixed(2) : "–"}</td><td class="name">${escape(p.winner)}</td></tr>`;
  });
  byId("problems").innerHTML = `<thead><tr><th class="left">problem</th><th>default</th><th>tuned</th><th>gain</th><th>best peer</th>
    <th>× peer</th><th class="left">winner</th></tr></thead><tbody>${rows.join("")}</tbody>`;
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
  const height = top + ms.length * ch + 74;
  let body = "";
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
      (usual ? `<path class="corner" d="M${x + 3} ${y + ch - 3}v-9l9 9z"/>` : "") +
      (winner ? `<path class="winner-mark" d="M${x + cw - 9} ${y + 3.2}l1.5 3.2 3.5.4-2.6 2.3.7 3.4-3.1-1.7-3.1 1.7.7-3.4-2.6-2.3 3.5-.4z"/>` : "") +
      (cw >= 26 ? `<text x="${x + cw / 2}" y="${y + ch / 2 + 4}" text-anchor="middle" style="fill:var(--heat-text-${share > .55 ? "hi" : "lo"})">${c.best ? number(c.best.tflops) : "✕"}</text>` : "") + "</g>";
  }
  for (const m of ms) body += `<text x="${left - 8}" y="${top + ms.indexOf(m) * ch + ch / 2 + 4}" text-anchor="end">${m}</text>`;
  for (const n of ns) body += `<text x="${left + ns.indexOf(n) * cw + cw / 2}" y="${top + ms.length * ch + 15}" text-anchor="middle">${n}</text>`;
  body += `<text x="${left + (width - left) / 2}" y="${top + ms.length * ch + 32}" text-anchor="middle">block_n: keys of a step</text>
    <text transform="translate(11 ${top + ms.length * ch / 2}) rotate(-90)" text-anchor="middle">block_m: rows</text>`;
  if (values.length) {
    const y = height - 26;
    for (let i = 0; i < 40; ++i) body += `<rect x="${left + i * 4}" y="${y}" width="4.3" height="9" style="fill:color-mix(in oklab, var(--heat-hi) ${i / 39 * 100}%, var(--heat-lo))"/>`;
    body += `<text x="${left}" y="${y + 21}">${number(low)}</text><text x="${left + 160}" y="${y + 21}" text-anchor="end">${number(high)} TFLOP/s</text>
      <path class="winner-mark" d="M${left + 190} ${y - .8}l1.5 3.2 3.5.4-2.6 2.3.7 3.4-3.1-1.7-3.1 1.7.7-3.4-2.6-2.3 3.5-.4z"/><text x="${left + 200}" y="${y + 9}">winner</text>
      <g class="cell default"><path class="corner" d="M${left + 255} ${y + 9}v-9l9 9z"/></g><text x="${left + 270}" y="${y + 9}">default</text>
      <text x="${left + 325}" y="${y + 9}">✕ no candidate of the tile ran</text>`;
  }
  draw("heatmap", width, height, body);
}

function drawComparison() {
  const p = data.problems[state.problem];
  const bars = [["tuned", p.winner_tflops, "--tuned", p.winner], ["default", p.default_tflops, "--default", p.default || "the heuristic's choice"],
    ...Object.entries(p.peers || {}).map(([name, t]) => [name, t, kPeerColours[name] || "--peer-0", "the peers' baseline, same problem and device model"])].filter(b => b[1] != null);
  const width = 500, left = 112, right = 48, row = 26, top = 4, roof = data.roofs && data.roofs.tflops;
  const limit = Math.max(...bars.map(b => b[1]), 1) * 1.02, scale = (width - left - right) / limit;
  const height = top + bars.length * row + 34;
  let body = "";
  for (const t of ticks(limit, 5)) body += `<line class="grid" x1="${left + t * scale}" x2="${left + t * scale}" y1="${top}" y2="${top + bars.length * row}"/>
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
  const width = 500, left = 44, top = 8, plot = 130, height = top + plot + 34;
  // Hopeless candidates must not flatten the rest: slower than four times the winner is drawn at the upper edge.
  const far = 4 * (p.winner_us || Infinity);
  const limit = Math.min(Math.max(...list.map(c => c.time_us), p.default_us || 0, 1e-9), far) * 1.05;
  const x = i => left + 6 + (width - left - 16) * (list.length > 1 ? i / (list.length - 1) : .5), y = t => top + plot - Math.min(t, limit) / limit * plot;
  let body = "";
  for (const t of ticks(limit, 4)) body += `<line class="grid" x1="${left}" x2="${width - 4}" y1="${y(t)}" y2="${y(t)}"/><text x="${left - 6}" y="${y(t) + 4}" text-anchor="end">${number(t)}</text>`;
  if (p.default_us > 0) body += `<line x1="${left}" x2="${width - 4}" y1="${y(p.default_us)}" y2="${y(p.default_us)}" style="stroke:var(--default)" stroke-dasharray="5 4"/>
    <text x="${width - 6}" y="${y(p.default_us) + (p.default_us > limit * .5 ? 14 : -5)}" text-anchor="end">default ${number(p.default_us, 1)} µs</text>`;
  list.forEach((c, i) => {
    const winner = c.variant === p.winner;
    body += `<circle class="rank${winner ? " winner-mark" : ""}" cx="${x(i)}" cy="${y(c.time_us)}" r="${winner ? 5 : 3}" style="fill:var(${winner ? "--win" : "--tuned"})"${tip(`#${i + 1}: ${number(c.time_us, 1)} µs ± ${number(c.spread_us, 1)}, ${number(c.tflops)} TFLOP/s\n${c.variant}${winner ? "\nthe winner of the paired finals" : ""}`)}/>`;
  });
  body += `<line class="axis" x1="${left}" x2="${width - 4}" y1="${top + plot}" y2="${top + plot}"/><text x="${left}" y="${height - 12}">fastest</text>
    <text x="${width - 4}" y="${height - 12}" text-anchor="end">${list.length} timed candidates · µs</text>`;
  draw("ranking", width, height, body);
}

function drawProblem() {
  const p = data.problems[state.problem];
  byId("problem-title").textContent = p.title;
  byId("problem-badges").innerHTML = badges(p);
  byId("problem-lead").textContent = `Winner ${p.winner}: ${number(p.winner_us, 1)} µs, default ${number(p.default_us, 1)} µs. Measured ${p.date || "at an unknown date"} on ${p.device}: ${number(p.measured)}${p.legal ? ` of ${number(p.legal)} legal` : ""} tilings${p.failed ? `, ${number(p.failed)} failed` : ""}${p.measured + p.failed > p.candidates.length ? `, ${p.candidates.length} of them kept` : ""}${p.rounds ? `; finals of ${p.rounds} rounds` : ""}${p.policy ? `; ${p.policy}` : ""}.`;
  if (state.family && !p.candidates.some(c => c.family === state.family)) state.family = "";
  drawHeatmap();
  drawComparison();
  drawRanking();
  const rows = [...p.candidates].sort((a, b) => (a.time_us ?? Infinity) - (b.time_us ?? Infinity)).map(c =>
    `<tr class="${c.variant === p.winner ? "selected" : ""}"><td class="name">${escape(c.variant)}</td><td>${number(c.time_us, 1)}</td><td>${number(c.spread_us, 1)}</td>
     <td>${number(c.tflops)}</td><td class="left bad">${escape(c.error)}</td></tr>`);
  byId("candidates").innerHTML = `<thead><tr><th class="left">variant</th><th>µs</th><th>±</th><th>TFLOP/s</th><th class="left">error</th></tr></thead><tbody>${rows.join("")}</tbody>`;
}

function drawRoofline() {
  const width = 1160, height = 380, left = 56, right = 150, top = 12, bottom = 44;
  const roofs = data.roofs, points = data.problems.filter(p => p.winner_tflops > 0);
  const peak = roofs ? roofs.tflops : 0, ridge = roofs ? roofs.tflops * 1e3 / roofs.gb_per_s : 0;
  const xs = points.map(p => p.intensity).concat(ridge || []), ys = points.flatMap(p => [p.winner_tflops, p.default_tflops || p.winner_tflops]).concat(peak || []);
  const x0 = 2 ** Math.floor(Math.log2(Math.min(...xs) / 1.5)), x1 = 2 ** Math.ceil(Math.log2(Math.max(...xs) * 1.3));
  const y0 = 2 ** Math.floor(Math.log2(Math.min(...ys) / 1.3)), y1 = Math.max(...ys) * 1.25;
  const x = v => left + Math.log(v / x0) / Math.log(x1 / x0) * (width - left - right), y = v => height - bottom - Math.log(v / y0) / Math.log(y1 / y0) * (height - top - bottom);
  byId("roofline-lead").textContent = (roofs ? `Roofs as measured on this device model: ${number(roofs.tflops)} TFLOP/s of a large bf16 GEMM, ${number(roofs.gb_per_s)} GB/s of a device copy. ` :
    "No measured roofs for this device: only the points are drawn. ") + "Intensity counts Q, K, V and O once. A hollow point is the default, a filled one the tuned variant.";
  let body = "";
  for (let v = x0; v <= x1 * 1.001; v *= 2) body += `<line class="grid" x1="${x(v)}" x2="${x(v)}" y1="${top}" y2="${height - bottom}"/><text x="${x(v)}" y="${height - bottom + 16}" text-anchor="middle">${number(v)}</text>`;
  for (let v = y0; v <= y1; v *= 2) body += `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(v)}" y2="${y(v)}"/><text x="${left - 8}" y="${y(v) + 4}" text-anchor="end">${number(v)}</text>`;
  if (roofs) {
    const from = Math.max(x0, y0 * 1e3 / roofs.gb_per_s), bend = Math.max(ridge, x0);
    body += `<path class="roof" d="M${x(from)} ${y(Math.min(from * roofs.gb_per_s / 1e3, peak))}L${x(bend)} ${y(peak)}L${x(x1)} ${y(peak)}" fill="none" style="stroke:var(--muted);stroke-width:2"/>
      <text x="${width - right + 8}" y="${y(peak) + 4}">GEMM ${number(peak)} TFLOP/s</text>`;
  }
  for (const p of points) {
    const i = data.problems.indexOf(p), on = i === state.problem, text = tip(`${p.title}\n${number(p.winner_tflops)} TFLOP/s tuned, ${number(p.default_tflops)} default\n${number(p.intensity)} FLOP per byte${roofs ? `\n${(p.winner_tflops / Math.min(peak, p.intensity * roofs.gb_per_s / 1e3) * 100).toFixed(0)} % of the roof` : ""}`);
    if (p.default_tflops) body += `<circle cx="${x(p.intensity)}" cy="${y(p.default_tflops)}" r="4" fill="none" style="stroke:var(--default);stroke-width:1.5"/>`;
    body += `<circle class="point${on ? " selected" : ""}" data-problem="${i}" cx="${x(p.intensity)}" cy="${y(p.winner_tflops)}" r="${on ? 7 : 5}" style="cursor:pointer;fill:var(${p.causal ? "--peer-1" : "--tuned"});${on ? "stroke:var(--win);stroke-width:3" : "stroke:var(--card)"}"${text}/>`;
  }
  body += `<line class="axis" x1="${left}" x2="${width - right}" y1="${height - bottom}" y2="${height - bottom}"/><text x="${left + (width - left - right) / 2}" y="${height - 8}" text-anchor="middle">FLOP per byte of Q, K, V, O</text>
    <text transform="translate(12 ${(height - bottom) / 2}) rotate(-90)" text-anchor="middle">TFLOP/s</text>`;
  [["full", "--tuned"], ["causal", "--peer-1"]].forEach(([name, colour], i) => body += `<circle cx="${width - right + 14}" cy="${height - bottom - 40 + i * 20}" r="5" style="fill:var(${colour})"/><text x="${width - right + 26}" y="${height - bottom - 36 + i * 20}">${name}</text>`);
  draw("roofline", width, height, body);
}

function drawVariants() {
  byId("variants-lead").textContent = data.compiler ? "The winners and the defaults, compiled by this program. Spills cost 30 – 50 %."
    : `Resources are not known without a compiler: ${data.compiler_error}`;
  const rows = data.variants.map(v => {
    const r = v.resources || {}, spills = (r.spill_store_bytes || 0) + (r.spill_load_bytes || 0);
    const wins = data.problems.filter(p => p.winner === v.name).length;
    return `<tr><td class="name"${v.error ? tip(v.error) : ""}>${escape(v.name)}</td><td>${wins || "–"}</td><td>${number(r.registers)}</td><td class="${spills ? "bad" : ""}">${number(v.resources ? spills : null)}</td>
      <td>${number(v.smem_bytes / 1024, 1)}</td><td>${v.threads}</td><td>${number(r.ctas_per_sm)}</td><td>${r.warps_per_sm == null ? "–" : `${r.warps_per_sm} / ${r.max_warps_per_sm}`}</td>
      <td class="left">${escape(r.limited_by || (v.error ? "does not compile" : "–"))}</td><td>${number(r.cubin_bytes == null ? null : r.cubin_bytes / 1024, 1)}</td><td>${number(r.compile_ms)}</td></tr>`;
  });
  byId("variants").innerHTML = `<thead><tr><th class="left">variant</th><th>wins</th><th>registers</th><th>spill B</th><th>smem KiB</th><th>threads</th><th>CTAs/SM</th><th>warps/SM</th>
    <th class="left">limited by</th><th>cubin KiB</th><th>compile ms</th></tr></thead><tbody>${rows.join("")}</tbody>`;
}

function drawMix() {
  const list = data.variants.filter(v => v.mix);
  byId("mix-legend").innerHTML = kUnits.filter(([unit]) => list.some(v => v.mix.main_loops[unit])).map(([unit, what]) => `<span${tip(what)}><i style="background:var(--unit-${unit})"></i>${unit}</span>`).join("");
  if (!list.length) {
    const why = data.variants.map(v => v.sass_error || v.error).find(x => x) || "there is no compiler";
    draw("mix", 1160, 30, `<text x="0" y="20">Not known: ${escape(why)}</text>`);
    return;
  }
  // 11 px of a fixed-width font are 6.6 wide.
  const width = 1160, left = 16 + Math.ceil(6.7 * Math.max(...list.map(v => v.name.length))), right = 60, row = 22, sum = v => Object.values(v.mix.main_loops).reduce((a, b) => a + b, 0);
  const limit = Math.max(...list.map(sum), 1), scale = (width - left - right) / limit;
  let body = "";
  list.forEach((v, i) => {
    let x = left;
    body += `<text x="${left - 8}" y="${i * row + 15}" text-anchor="end" style="font-family:ui-monospace,Menlo,Consolas,'Liberation Mono',monospace">${escape(v.name)}</text>`;
    for (const [unit, what] of kUnits) {
      const n = v.mix.main_loops[unit];
      if (!n) continue;
      body += `<rect class="mix-part" x="${x}" y="${i * row + 3}" width="${Math.max(n * scale - .6, .4)}" height="${row - 7}" style="fill:var(--unit-${unit})"${tip(`${v.name}\n${unit} (${what}): ${n} of ${sum(v)} in the main loops, ${v.mix.rest[unit]} elsewhere`)}/>`;
      x += n * scale;
    }
    body += `<text class="value" x="${x + 6}" y="${i * row + 15}">${sum(v)}</text>`;
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
function drawCode() {
  const list = data.variants.filter(v => v.source);
  byId("code").hidden = !list.length;
  if (!list.length) return;
  const v = list[Math.min(state.variant, list.length - 1)];
  byId("code-title").textContent = "Source, PTX and SASS";
  byId("code-lead").textContent = `Open: the main loops. Folded: what stands around them. ${v.sass_error ? `No SASS: ${v.sass_error}` : ""}`;
  byId("code-variants").innerHTML = list.map((other, i) => `<button type="button" data-variant="${i}" class="${other === v ? "on" : ""}">${escape(other.name)}</button>`).join("");
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

function choose(element) {
  const choice = element.closest("[data-problem],[data-family],[data-variant],[data-tab]");
  if (!choice) return;
  const {problem, family, variant, tab} = choice.dataset;
  if (problem != null) { state.problem = Number(problem); drawProblems(); drawProblem(); drawRoofline(); }
  if (family != null) { state.family = family; drawHeatmap(); }
  if (variant != null) { state.variant = Number(variant); drawCode(); }
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
drawAbout();
drawProblems();
drawProblem();
drawRoofline();
drawVariants();
drawMix();
drawCode();
document.documentElement.dataset.drawn = "yes";
