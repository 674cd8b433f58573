// The winners and the defaults: their resources, and the instructions of their main loops.

const kUnits = [
  ["matrix", "HGMMA, HMMA"],
  ["exp", "MUFU"],
  ["fp32", "FFMA, FADD, FMNMX, …"],
  ["convert", "F2FP, …"],
  ["shared", "LDS, STS, LDSM"],
  ["global", "LDG, STG, TMA"],
  ["local", "LDL, STL: spills"],
  ["barrier", "BAR, SYNCS, WARPGROUP"],
  ["other", "addresses, predicates, branches"],
];

const kVariantHeads = [
  ["problem", "left"], ["tiling", "left"], ["wins"], ["registers"], ["spill B"], ["smem KiB"], ["threads"],
  ["CTAs/SM"], ["warps/SM"], ["limited by", "left"], ["cubin KiB"], ["compile ms"],
];

function variantCells(v) {
  const r = v.resources || {}, spills = (r.spill_store_bytes || 0) + (r.spill_load_bytes || 0);
  return [
    [escape(v.kind), "left"],
    tilingCell(v.tiling, v.name, v.error ? tip(v.error) : {}),
    [wonProblems(v).length || "–"],
    [number(r.registers)],
    [number(v.resources ? spills : null), spills ? "bad" : ""],
    [number(v.smem_bytes / 1024, 1)],
    [v.threads],
    [number(r.ctas_per_sm)],
    [r.warps_per_sm == null ? "–" : `${r.warps_per_sm} / ${r.max_warps_per_sm}`],
    [escape(r.limited_by || (v.error ? "does not compile" : "–")), "left"],
    [number(r.cubin_bytes == null ? null : r.cubin_bytes / 1024, 1)],
    [number(r.compile_ms)],
  ];
}

function drawVariants() {
  byId("variants-lead").textContent = data.compiler ?
    "The winners and the defaults, compiled by this program. Spills cost 30 – 50 %." :
    `Resources are not known without a compiler: ${data.compiler_error}`;
  fillTable("variants", kVariantHeads, shownVariants().map(v => [{}, variantCells(v)]));
}

const mixName = v => `${v.kind} ${v.tiling}`;
const mixTotal = v => sum(Object.values(v.mix.main_loops));

// 11 px of a fixed-width font are 6.6 wide. In a narrow window a name stands above its bar.
function mixLayout(list) {
  const width = widthOf("mix"), names = 16 + Math.ceil(6.7 * Math.max(...list.map(v => mixName(v).length)));
  const above = names > width * .5, left = above ? 0 : names;
  const scale = (width - left - 60) / Math.max(...list.map(mixTotal), 1);
  return {width, names, above, left, scale, row: above ? 36 : 22};
}

function mixLabel(v, y, {width, names, above, left}) {
  const font = {style: "font-family:ui-monospace,Menlo,Consolas,'Liberation Mono',monospace"};
  if (!above) return label(left - 8, y + 15, mixName(v), {...kEnd, ...font});
  const squeezed = names > width ? {textLength: width, lengthAdjust: "spacingAndGlyphs"} : {};
  return label(0, y - 2, mixName(v), {...font, ...squeezed});
}

function mixBar(v, y, {left, scale}) {
  const total = mixTotal(v);
  let body = "", x = left;
  for (const [unit, what] of kUnits) {
    const count = v.mix.main_loops[unit];
    if (!count) continue;
    const text = `${v.name}\n${unit} (${what}): ${count} of ${total} in the main loops, ${v.mix.rest[unit]} elsewhere`;
    body += rectangle(x, y + 3, Math.max(count * scale - .6, .4), 15,
      {class: "mix-part", style: `fill:var(--unit-${unit})`, ...tip(text)});
    x += count * scale;
  }
  return body + label(x + 6, y + 15, total, {class: "value"});
}

function drawMixLegend(list) {
  const used = kUnits.filter(([unit]) => list.some(v => v.mix.main_loops[unit]));
  byId("mix-legend").innerHTML = used.map(([unit, what]) =>
    tag("span", tip(what), tag("i", {style: `background:var(--unit-${unit})`}) + unit)).join("");
}

function drawMix() {
  const list = shownVariants().filter(v => v.mix);
  drawMixLegend(list);
  if (!list.length) {
    const why = shownVariants().map(v => v.sass_error || v.error).find(x => x) || "there is no compiler";
    draw("mix", widthOf("mix"), 0, "");
    byId("mix-note").textContent = `Not known: ${why}`;
    return;
  }
  byId("mix-note").textContent = "";
  const layout = mixLayout(list);
  let body = "";
  list.forEach((v, i) => {
    const y = i * layout.row + (layout.above ? 15 : 0);
    body += mixLabel(v, y, layout) + mixBar(v, y, layout);
  });
  draw("mix", layout.width, list.length * layout.row + 4, body);
}
