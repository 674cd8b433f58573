// What the reader does, and the first drawing. Comes last.

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
  const before = chosenProblem();
  state.device = device;
  state.variant = "";
  const problems = shownProblems();
  state.problem = (problems.find(p => before && p.title === before.title) || problems[0]).index;
  drawAll();
}

function chooseProblem(index) {
  state.problem = index;
  state.variant = "";
  drawProblems();
  drawProblem();
  drawRoofline();
  drawCode();
}

function choose(element) {
  const choice = element.closest("[data-device],[data-problem],[data-family],[data-variant],[data-tab]");
  if (!choice) return;
  const {device, problem, family, variant, tab} = choice.dataset;
  if (device != null) chooseDevice(device);
  if (problem != null) chooseProblem(Number(problem));
  if (family != null) {
    state.family = family;
    drawHeatmap();
  }
  if (variant != null) {
    state.variant = variant;
    drawCode();
  }
  if (tab != null) {
    state.tab = tab;
    drawCode();
  }
}

function showTip(event) {
  const target = event.target.closest("[data-tip]"), box = byId("tip");
  box.hidden = !target;
  if (!target) return;
  box.textContent = target.dataset.tip;
  box.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)) + "px";
  const below = event.clientY + 18, above = event.clientY - box.offsetHeight - 10;
  box.style.top = (below + box.offsetHeight > innerHeight ? above : below) + "px";
}

function switchTheme() {
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  root.dataset.theme = dark ? "light" : "dark";
}

document.addEventListener("click", event => choose(event.target));
document.addEventListener("mousemove", showTip);
byId("theme").addEventListener("click", switchTheme);
addEventListener("resize", () => {
  drawRoofline();
  drawMix();
});
state.problem = shownProblems()[0].index;
drawAll();
document.documentElement.dataset.drawn = "yes";
