// The devices, the tiles of numbers below them, the table of problems, and the words about the one chosen.

function drawDevices() {
  const button = d => choiceButton("device", d.name, d.name === state.device, d.name, tip(
    `${plural(d.problems, "problem")}, the last measured ${d.date || "at an unknown date"}\n` +
    `${d.these_sources} with the kernel sources of this program`));
  byId("devices").innerHTML = data.devices.length < 2 ? "" : data.devices.map(button).join("");
  const about = [state.device, data.compiler, `flashjit ${data.version}`, `made ${data.created}`];
  byId("about").textContent = present(about).join(" · ");
}

function drawSummary() {
  const problems = shownProblems(), complete = problems.filter(p => p.complete);
  const open = problems.length - complete.length;
  const gains = complete.map(gainOf).filter(gain => gain != null).map(gain => gain + 1);
  const failed = sum(problems.map(p => p.failed));
  const tiles = [
    [complete.length, `problems tuned${open ? `, ${open} incomplete` : ""}`],
    [number(sum(problems.map(p => p.measured))),
     `candidates measured${failed ? `, ${number(failed)} failed` : ""}`],
    [gains.length ? percent(geometricMean(gains) - 1) : "–", "tuned over default, geometric mean"],
    [complete.filter(p => p.winner !== p.default).length,
     "problems where another tiling than the default won"],
    [number(Math.max(...problems.map(p => p.winner_tflops || 0))), "TFLOP/s at the best problem"],
  ];
  const tile = ([value, name]) => tag("div", {class: "tile"}, tag("b", {}, value) + tag("span", {}, escape(name)));
  byId("summary").innerHTML = tiles.map(tile).join("");
}

// TFLOP/s with a bar, whose whole length is `top`.
function metered(tflops, top) {
  const bar = tag("i", {style: `width:${(tflops || 0) / top * 100}%`});
  return number(tflops) + tag("span", {class: "meter"}, bar);
}

function bestPeerCell(problem) {
  const best = bestPeer(problem);
  if (!best) return ["–"];
  const each = peersOf(problem).map(([name, tflops]) => `${name}: ${number(tflops)}`);
  return [number(best[1]), "", tip([...each, peersNote()].join("\n"))];
}

function drawProblems() {
  const problems = shownProblems(), top = Math.max(...problems.map(p => p.winner_tflops || 0), 1);
  const peers = problems.some(bestPeer);
  byId("problems-lead").textContent =
    `Tuned against the heuristic's default, in TFLOP/s on ${withArticle(state.device)}. ` +
    `Choose a row to see its search below. ${peers ? peersNote() : ""}`;
  const note = peers ? shownBaseline().note : "";
  byId("peers").hidden = !note;
  byId("peers-note").textContent = note;
  const peerHead = peers ? [["best peer, another session"]] : [];
  const heads = [["problem", "left"], ["default"], ["tuned"], ["gain"], ...peerHead, ["winner", "left"]];
  fillTable("problems", heads, problems.map(p => {
    const selected = p.index === state.problem ? " selected" : "", gain = gainOf(p);
    return [{class: `choice-row${selected}`, "data-problem": p.index}, [
      [escape(p.title) + badges(p), "left"],
      [number(p.default_tflops)],
      [metered(p.winner_tflops, top), "win"],
      [gain == null ? "–" : percent(gain)],
      ...(peers ? [bestPeerCell(p)] : []),
      tilingCell(p.winner_tiling, p.winner),
    ]];
  }));
}

// How the search went, in a sentence each.
function searchText(p) {
  const kept = p.candidates.length;
  return `Winner ${p.winner_tiling}: ${number(p.winner_us, 1)} µs, default ${number(p.default_us, 1)} µs. ` +
    `Measured ${p.date || "at an unknown date"} on ${p.device}: ` +
    `${number(p.measured)}${p.legal ? ` of ${number(p.legal)} legal` : ""} tilings` +
    (p.failed ? `, ${number(p.failed)} failed` : "") +
    (p.measured + p.failed > kept ? `, ${kept} of them kept` : "") +
    (p.rounds ? `; finals of ${p.rounds} rounds` : "") +
    (p.policy ? `; ${p.policy}` : "") + ".";
}

function drawCandidates() {
  const p = chosenProblem();
  const sorted = [...p.candidates].sort((a, b) => (a.time_us ?? Infinity) - (b.time_us ?? Infinity));
  const heads = [["tiling", "left"], ["µs"], ["±"], ["TFLOP/s"], ["error", "left"]];
  fillTable("candidates", heads, sorted.map(c => [{class: c.variant === p.winner ? "selected" : ""}, [
    tilingCell(c.tiling, c.variant),
    [number(c.time_us, 1)],
    [number(c.spread_us, 1)],
    [number(c.tflops)],
    [escape(c.error), "left bad"],
  ]]));
}

function drawProblem() {
  const p = chosenProblem();
  byId("problem-title").textContent = p.title;
  byId("problem-badges").innerHTML = badges(p);
  byId("problem-lead").textContent = searchText(p);
  if (state.family && !p.candidates.some(c => c.family === state.family)) state.family = "";
  drawHeatmap();
  drawComparison();
  drawRanking();
  drawCandidates();
}
