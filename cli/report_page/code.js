// Source, PTX and SASS of a winner, coloured by what an instruction is for.

const kOpcodes = [
  ["matrix", /\b(HGMMA|HMMA|wgmma\.mma_async|mma\.sync)/],
  ["exp", /\b(MUFU|ex2\.)/],
  ["shared", /\b(LDSM|LDS|STSM|STS|ldmatrix|stmatrix|ld\.shared|st\.shared)/],
  ["barrier", /\b(BAR|SYNCS|WARPSYNC|WARPGROUP|DEPBAR|LDGDEPBAR|bar\.|mbarrier|wgmma\.(fence|commit|wait))/],
  ["global", /\b(LDG|STG|UTMALDG|UTMASTG|ld\.global|st\.global|cp\.async)/],
];

function coloured(text) {
  const line = html => {
    const unit = kOpcodes.find(([, pattern]) => pattern.test(html));
    return unit ? tag("span", {class: `u-${unit[0]}`}, html) : html;
  };
  return escape(text).split("\n").map(line).join("\n");
}

// A part of a listing behind its title; `html` is the listing.
const fold = (title, html, {open, mainLoop}) =>
  tag("details", {class: mainLoop ? "main-loop" : "", open: open ? "" : null},
    tag("summary", {}, escape(title)) + tag("pre", {}, html));

// The generated file, then the device code that it is made of.
function sourceHtml(v) {
  const family = v.name.split("_")[1] + "/";
  const files = Object.keys(data.sources).filter(path => path.startsWith(family));
  const main = files.find(path => path.includes("mainloop")) || files.find(path => path.includes("fwd_kernel"));
  const file = path =>
    fold(`kernel_src/${path}`, escape(data.sources[path]), {open: path === main, mainLoop: path === main});
  return fold(`${v.name}.cu, generated`, escape(v.source), {open: true}) + files.map(file).join("");
}

function listingHtml(parts) {
  const place = i => i === 0 ? "Before" : i === parts.length - 1 ? "After" : "Between";
  return parts.map((part, i) => fold(
    `${part.main_loop ? "Main loop" : place(i)}: ${number(part.instructions)} instructions`,
    coloured(part.text), {open: part.main_loop, mainLoop: part.main_loop})).join("");
}

function codeText(v, ofProblem) {
  const won = wonProblems(v).map(p => p.title), more = won.length > 2 ? `; ${won.length - 2} more` : "";
  const other = ofProblem || state.variant ? "" :
    "The winner of the problem chosen is not among those shown; \u2011\u2011code N shows more. ";
  return `${v.name}, the winner of ${won.slice(0, 2).join("; ")}${more}. ${other}` +
    "Open: the main loops. Folded: what stands around them. " + (v.sass_error ? `No SASS: ${v.sass_error}` : "");
}

function drawCodeVariants(list, chosen) {
  const name = v => list.filter(other => other.kind === v.kind).length === 1 ? v.kind : `${v.kind} ${v.tiling}`;
  byId("code-variants").innerHTML =
    list.map(v => choiceButton("variant", v.name, v === chosen, name(v), {title: v.name})).join("");
}

// That of the problem chosen, else of the largest problem with its head_dim and mask.
function drawCode() {
  const problem = chosenProblem(), list = data.variants.filter(v => v.source && wonProblems(v).length);
  byId("code").hidden = !list.length;
  if (!list.length) return;
  const own = list.find(v => isWinner(v, problem));
  const v = list.find(v => v.name === state.variant) || own || list.find(v => v.kind === problem.kind) || list[0];
  byId("code-title").textContent = "Source, PTX and SASS";
  byId("code-lead").textContent = codeText(v, own);
  drawCodeVariants(list, v);
  const tabs = present(["source", v.ptx && "PTX", v.sass && "SASS"]);
  const tab = tabs.includes(state.tab) ? state.tab : tabs[tabs.length - 1];
  byId("code-tabs").innerHTML = tabs.map(t => choiceButton("tab", t, t === tab, t)).join("");
  byId("code-body").innerHTML = tab === "source" ? sourceHtml(v) : listingHtml(tab === "PTX" ? v.ptx : v.sass);
}
