// Words, numbers, elements and tables.

const byId = id => document.getElementById(id);

const kEntities = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"};
const escape = text => String(text).replace(/[&<>"]/g, c => kEntities[c]);

const number = (x, digits = 0) =>
  x == null ? "–" : x.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
const percent = x => (x >= 0 ? "+" : "−") + Math.abs(x * 100).toFixed(1) + " %";
const plural = (count, noun) => `${count} ${noun}${count > 1 ? "s" : ""}`;
const withArticle = device => (/^[AEIOU]|^N[A-Z]/.test(device) ? "an " : "a ") + device;

const sum = values => values.reduce((total, x) => total + x, 0);
const geometricMean = values => Math.exp(sum(values.map(Math.log)) / values.length);
const distinct = values => [...new Set(values)];
// Without what is "", null, false or undefined.
const present = values => values.filter(x => x);

// An element. `content` is HTML; attributes are text, and none where the value is null or undefined.
function tag(name, attributes = {}, content = "") {
  const given = Object.entries(attributes).filter(([, value]) => value != null);
  return `<${name}${given.map(([key, value]) => ` ${key}="${escape(value)}"`).join("")}>${content}</${name}>`;
}
// An attribute: what stands beside the pointer.
const tip = text => ({"data-tip": text});

// One button of a row of them; `key` and `value` are what choose() reads.
const choiceButton = (key, value, on, text, more = {}) =>
  tag("button", {type: "button", [`data-${key}`]: value, class: on ? "on" : "", ...more}, escape(text));

// A table of `heads`, [name, "left" or ""], and rows, [attributes, cells] of [HTML, class, attributes]. In a narrow
// window a row is a block of named values.
function fillTable(id, heads, rows) {
  const head = heads.map(([name, side]) => tag("th", {class: side || ""}, name)).join("");
  const cell = ([html, kind, more], column) =>
    tag("td", {"data-label": heads[column][0], class: kind || "", ...more}, html);
  const body = rows.map(([attributes, cells]) => tag("tr", attributes, cells.map(cell).join("")));
  byId(id).innerHTML = tag("thead", {}, tag("tr", {}, head)) + tag("tbody", {}, body.join(""));
}
const tilingCell = (tiling, name, more = {}) =>
  [escape(tiling).replace(/_/g, "_<wbr>"), "name", {title: name, ...more}];

const kIncomplete =
  "The search was stopped before its paired finals: the default is its winner, and no look-up takes the record.";
const kOtherSources =
  "Measured with other kernel sources than this program has: a look-up takes it as a hint only.";
function badges(problem) {
  const badge = (name, what) => " " + tag("em", {class: "badge", ...tip(what)}, name);
  return (problem.complete ? "" : badge("incomplete", kIncomplete)) +
    (problem.these_sources ? "" : badge("other sources", kOtherSources));
}

// Whose numbers the peers' are: no ratio to them is told, for they are of another day and other clocks.
function peersNote() {
  const b = shownBaseline();
  if (!b) return "";
  return `The peers were measured on ${withArticle(b.device)} in another session${b.date ? `, ${b.date}` : ""}, ` +
    "not beside the tuner's candidates. The tuner keeps the device hot, so the clocks differ and the two do not make " +
    "a ratio.";
}
