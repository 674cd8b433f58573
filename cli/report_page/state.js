"use strict";
// What the page knows, and what the reader has chosen of it. All scripts become one, of one scope.

// As report_data.h makes it; problems of every device.
const data = JSON.parse(document.getElementById("data").textContent);
// `problem` is an index into data.problems; family "": all; variant "": that of the problem.
const state = {device: data.device, problem: 0, family: "", variant: "", tab: "SASS"};
data.problems.forEach((problem, i) => problem.index = i);

const chosenProblem = () => data.problems[state.problem];
const shownProblems = () => data.problems.filter(p => p.device === state.device);

const isWinner = (variant, problem) => problem.winner === variant.name && problem.arch === variant.arch;
const isDefault = (variant, problem) => problem.default === variant.name && problem.arch === variant.arch;
const wonProblems = variant => shownProblems().filter(p => isWinner(variant, p));
const shownVariants = () =>
  data.variants.filter(v => shownProblems().some(p => isWinner(v, p) || isDefault(v, p)));

const timedCandidates = problem => problem.candidates.filter(c => c.tflops != null);
const gainOf = p => p.default_us > 0 && p.winner_us > 0 ? p.default_us / p.winner_us - 1 : null;

// Of the device, undefined where they are not known.
const shownBaseline = () => data.baselines.find(b => b.device === state.device);
const shownRoofs = () => data.roofs.find(r => r.device === state.device);

// [name, TFLOP/s] of each peer.
const peersOf = problem => Object.entries(problem.peers || {});
const bestPeer = problem =>
  peersOf(problem).reduce((best, peer) => best && best[1] >= peer[1] ? best : peer, null);
