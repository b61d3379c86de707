/* The writer: the network, the text that it reads and writes, and what the page shows of both. */
const { characters, signs, labels, edges, signals, hidden: H, layers: L, embedding: E } = data;
const V = characters.length, LONGEST = 20000; // characters of a text
const idOf = new Map(characters.map((character, id) => [character, id]));

/* ---- The network ---------------------------------------------------------------------------------------------------
   A state is h and c of every layer: h^1 c^1 h^2 c^2 ..., H float32 numbers each. A layer's weights have the rows of its
   gates in the order i, f, g, o, H rows each. */

const vector = name => numbers(data.weights[name]);
const embedding = matrix(data.weights["embedding.weight"], E); // a row for each character
const W_out = matrix(data.weights["output.weight"], H), b_out = vector("output.bias");
const layers = Array.from({ length: L }, (_, l) => {
  const name = kind => `layers.${l}.${kind}_l0`, b_h = vector(name("bias_hh"));
  return {
    W_x: matrix(data.weights[name("weight_ih")], l === 0 ? E : H),
    W_h: matrix(data.weights[name("weight_hh")], H),
    b: Float64Array.from(vector(name("bias_ih")), (b_x, r) => b_x + b_h[r]),
  };
});
const startOfH = l => 2 * l * H, startOfC = l => (2 * l + 1) * H;
const first = new Map(); // of each character that came: what it adds to the first layer's gates

function ofCharacter(id) { // W_x e + b, e the character's row of the embedding
  if (!first.has(id)) {
    const sums = Float64Array.from(layers[0].b);
    addProduct(sums, layers[0].W_x, embedding[id]);
    first.set(id, sums);
  }
  return first.get(id);
}

/* A layer's sums for its gates, W_x x_t + b + W_h h_{t-1}: x_t is the character, or h_t of the layer below. */
function gateSums(sums, l, id, before, after) {
  sums.set(l === 0 ? ofCharacter(id) : layers[l].b);
  if (l > 0) addProduct(sums, layers[l].W_x, after, startOfH(l - 1));
  addProduct(sums, layers[l].W_h, before, startOfH(l));
}

const sums = new Float64Array(4 * H);

function step(id, before) { // the state after a character
  const after = new Float32Array(2 * L * H);
  for (let l = 0; l < L; l++) {
    const h0 = startOfH(l), c0 = startOfC(l);
    gateSums(sums, l, id, before, after);
    for (let u = 0; u < H; u++) {
      const i = sigmoid(sums[u]), f = sigmoid(sums[H + u]), g = Math.tanh(sums[2 * H + u]), o = sigmoid(sums[3 * H + u]);
      const c = f * before[c0 + u] + i * g;
      after[c0 + u] = c;
      after[h0 + u] = o * Math.tanh(c);
    }
  }
  return after;
}

function logits(state) { // of the next character
  const found = Float64Array.from(b_out);
  addProduct(found, W_out, state, startOfH(L - 1));
  return found;
}

/* ---- How a character is chosen --------------------------------------------------------------------------------- */

const setting = { temperature: 0.7, topK: V, minP: 0 };
let random = generator(1);

/* The chances of all characters under the settings: p^(1/temperature), of it the top-k likeliest and those that are at
   least min-p times as likely as the likeliest. */
function chances(found) {
  if (setting.temperature === 0) {
    const best = found.indexOf(Math.max(...found));
    return Float64Array.from(found, (_, id) => Number(id === best));
  }
  const p = softmax(found, setting.temperature);
  if (setting.topK < V) {
    const order = [...p.keys()].sort((a, b) => p[b] - p[a]);
    for (const id of order.slice(setting.topK)) p[id] = 0;
  }
  const least = setting.minP * Math.max(...p);
  const kept = p.map(q => q >= least ? q : 0), sum = kept.reduce((a, b) => a + b, 0);
  return kept.map(q => q / sum);
}

function draw(found) {
  const p = chances(found);
  let left = random(), last = 0;
  for (let id = 0; id < V; id++) {
    if (p[id] === 0) continue;
    last = id;
    left -= p[id];
    if (left < 0) break;
  }
  return last;
}

/* ---- The text ------------------------------------------------------------------------------------------------------
   states[t] is the state after t characters, bits[t] the surprise of character t. What is not read yet comes with the next
   frames. */

let ids = [], states = [new Float32Array(2 * L * H)], bits = [], given = 0; // characters of the prompt
let expected = { at: -1 }; // logits of the last place asked for

const read = () => states.length - 1;

function logitsAt(t) { // of the character in place t ≥ 1
  if (expected.at !== t || expected.state !== states[t]) expected = { at: t, state: states[t], found: logits(states[t]) };
  return expected.found;
}

function surprise(found, id) {
  const largest = Math.max(...found);
  return (Math.log(found.reduce((sum, a) => sum + Math.exp(a - largest), 0)) + largest - found[id]) / Math.LN2;
}

function readNext() {
  const t = read();
  bits[t] = t > 0 ? surprise(logitsAt(t), ids[t]) : null;
  states.push(step(ids[t], states[t]));
}

function setText(wanted) { // what is the same at its beginning stays read
  let same = 0;
  while (same < wanted.length && wanted[same] === ids[same]) same++;
  ids = wanted.slice(0, LONGEST);
  states.length = Math.min(states.length, same + 1);
  bits.length = Math.min(bits.length, same);
  cutCells(read());
  begin = null;
  wake();
}

function known(text) { // the ids of a text; what the network does not know is named and left out
  const unknown = new Map(), found = [];
  for (const character of text.replace(/\r\n?/g, "\n")) {
    if (idOf.has(character)) found.push(idOf.get(character));
    else unknown.set(character, (unknown.get(character) ?? 0) + 1);
  }
  const named = [...unknown].slice(0, 12).map(([character, times]) => `${visible(character)}${times > 1 ? ` (${times} times)` : ""}`);
  const more = unknown.size > 12 ? ` and ${unknown.size - 12} others` : "";
  const tooLong = found.length > LONGEST ? `Only the first ${LONGEST.toLocaleString("en")} characters are read. ` : "";
  tell(tooLong + (named.length ? `Left out, as the network has never seen them: ${named.join("  ")}${more}` : ""));
  return found;
}

const visible = character => /[\p{C}\p{Z}\p{M}]/u.test(character)
  ? "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") : character;
const tell = words => { $("told").textContent = words; };

/* ---- Work, a slice at a time, so that the page answers in between ------------------------------------------------- */

const SLICE = 12, PAUSE = 90; // milliseconds: of work, and at least between two times that what it wrote is shown
const turns = new MessageChannel(); // a message to itself comes at once, but after the clicks and frames that wait
turns.port1.onmessage = work;
let writing = false, due = 0, awake = false, pending = false, begin = null, shown = 0;
let search = null; // a search for units, an iterator
const pace = () => Number($("pace").value);

function wake() {
  if (!awake) requestAnimationFrame(frame);
  awake = true;
}

function frame(now) {
  if (begin !== null && writing) due = Math.min(due + (now - begin) / 1000 * pace(), 1000);
  begin = now;
  if (!pending) work();
  if (writing && ids.length >= LONGEST) {
    setWriting(false);
    tell(`The text has ${LONGEST.toLocaleString("en")} characters, the most that this page holds.`);
  }
  awake = writing || search !== null || read() < ids.length;
  if (!awake || stale || now - shown > PAUSE) {
    show();
    shown = now;
  }
  if (awake) requestAnimationFrame(frame);
}

function work() {
  const until = performance.now() + SLICE;
  pending = false;
  while (!pending) {
    if (read() < ids.length) readNext();
    else if (search) { if (search.next().done) search = null; }
    else if (writing && ids.length < LONGEST && (pace() === Infinity || due >= 1)) writeNext();
    else return;
    pending = performance.now() > until;
  }
  turns.port2.postMessage(null);
}

function writeNext() {
  if (ids.length === 0) ids.push(Math.floor(random() * V));
  else ids.push(draw(logitsAt(ids.length)));
  readNext();
  due = Math.max(0, due - 1);
}

function setWriting(on) {
  writing = on;
  begin = null;
  due = 1;
  $("write").textContent = on ? "Pause" : "Write";
  if (on) choose(null);
  wake();
}

/* ---- Colours ------------------------------------------------------------------------------------------------------- */

let colour = "surprise", picked = { l: L - 1, u: 0, signal: "c" };

/* A unit's gates after character t: their sums in two parts, what x_t and b add up to and what h_{t-1} does. */
function unitSums(l, u, t, n) {
  const { W_x, W_h, b } = layers[l], r = n * H + u;
  const product = (W, x, from) => {
    let sum = 0;
    for (let k = 0; k < H; k++) sum += W[r][k] * x[from + k];
    return sum;
  };
  const ofX = l === 0 ? ofCharacter(ids[t])[r] : b[r] + product(W_x, states[t + 1], startOfH(l - 1));
  return [ofX, product(W_h, states[t], startOfH(l))];
}

function valueOf({ l, u, signal }, t) { // a unit's signal after character t
  if (signal === "h") return states[t + 1][startOfH(l) + u];
  if (signal === "c") return states[t + 1][startOfC(l) + u];
  const n = signals.indexOf(signal), [x, h] = unitSums(l, u, t, n);
  return signal === "g" ? Math.tanh(x + h) : sigmoid(x + h);
}

const SCALES = { // a signal's place from -1 to 1, and the words at the ends of the scale and in the middle
  c: [Math.tanh, "−1.5 and below", "0", "1.5 and above"],
  h: [value => value, "−1", "0", "1"],
  g: [value => value, "−1", "0", "1"],
  gate: [value => 2 * value - 1, "0: closed", "½", "1: open"],
};
const scaleOf = signal => SCALES[signal] ?? SCALES.gate;

function shadeAt(t) {
  if (colour === "unit") return "u" + Math.round(5 + 5 * scaleOf(picked.signal)[0](valueOf(picked, t)));
  if (colour === "none" || bits[t] === null) return "";
  let n = 0;
  while (n < edges.length && edges[n] <= bits[t]) n++;
  return "b" + n;
}

const newline = idOf.get("\n");
const classAt = t => shadeAt(t) + (ids[t] === newline ? " newline" : "") + (t < given ? " given" : "")
  + (t === chosen ? " chosen" : "");

/* A line out of sight waits until it comes into sight: 20,000 characters are too many to colour at once. */
function colourLine(line) {
  line.waits = line.outOfSight;
  if (!line.waits) for (const cell of line.children) cell.className = classAt(cell.at);
}

function recolour() {
  for (const line of paper.children) colourLine(line);
  $("surprise-scale").hidden = colour !== "surprise";
  $("unit-scale").hidden = colour !== "unit";
  [$("low").textContent, $("middle").textContent, $("high").textContent] = scaleOf(picked.signal).slice(1);
  const { l, u, signal } = picked, name = $("signal").selectedOptions[0].textContent;
  const follows = Object.keys(named).find(name => named[name].some(unit => unit[0] === l && unit[1] === u && unit[2] === signal));
  $("picked").textContent = `Shown is the ${name} of layer ${l + 1}, unit ${u}${follows ? `, which follows: ${follows}` : ""}.`
    + " Choose another below.";
}

/* ---- What is shown ------------------------------------------------------------------------------------------------- */

const paper = $("text"), cells = [];
paper.addEventListener("contentvisibilityautostatechange", event => { // a browser that has no such event colours all lines
  const line = event.target;
  line.outOfSight = event.skipped;
  if (line.waits && !line.outOfSight) colourLine(line);
}, true);
let pointed = null, chosen = null, stale = true; // places; whether the numbers beside the text are of another one

const tabTo = choosable(paper, {
  show: cell => { pointed = cell.at; stale = true; wake(); },
  hide: () => { pointed = null; stale = true; wake(); },
  choose: cell => choose(cell.at),
  leave: () => choose(null),
});

function choose(t) {
  const before = chosen;
  [chosen, pointed, stale] = [t, null, true];
  for (const place of [before, t]) if (place !== null && cells[place]) cells[place].className = classAt(place);
  wake();
}

function cutCells(length) {
  for (const cell of cells.splice(length)) {
    const line = cell.parentElement;
    cell.remove();
    if (!line.firstChild) line.remove();
  }
  if (chosen >= length) chosen = null;
  pointed = null;
  stale = true;
}

function addCells() { // for the characters that were read; a line is an element of its own, so that few are laid out anew
  if (cells.length === read()) return false;
  const atEnd = paper.scrollHeight - paper.scrollTop - paper.clientHeight < 40;
  let line = paper.lastElementChild;
  for (let t = cells.length; t < read(); t++) {
    if (t === 0 || ids[t - 1] === newline || line === null) paper.append(line = document.createElement("div"));
    const cell = make("span", signs[ids[t]], classAt(t));
    cell.at = t;
    cells.push(cell);
    line.append(cell);
    if (t === 0) tabTo(cell);
  }
  if (atEnd) paper.scrollTop = paper.scrollHeight;
  return true;
}

function show() {
  stale = addCells() || stale;
  const left = ids.length - read();
  $("working").hidden = !search && left < 300;
  if (!$("working").hidden) {
    $("doing").textContent = search ? "Looking for units" : "Reading";
    [$("progress").max, $("progress").value] = search ? [ids.length, searched] : [ids.length, read()];
  }
  $("find").disabled = search !== null || ids.length < 200;
  if (!stale) return;
  stale = false;
  const scored = bits.slice(1), mean = scored.reduce((a, b) => a + b, 0) / scored.length;
  $("count").textContent = read().toLocaleString("en") + (read() === 1 ? " character" : " characters")
    + (scored.length ? `, ${mean.toFixed(2)} bits of surprise each.` : ".");
  showNext();
  showUnit();
}

const ROWS = 10;
const rows = Array.from({ length: Math.min(ROWS, V) }, () => {
  const button = make("button", "", "row");
  button.append(make("b"), " ", make("i"), make("span"));
  button.addEventListener("click", () => take(button.id_));
  $("rows").append(button);
  return button;
});

function take(id) { // at the end, or in the place of what stands there
  const t = chosen ?? ids.length;
  setText([...ids.slice(0, t), id, ...ids.slice(t + 1)]);
  chosen = t < ids.length - 1 ? t : null;
  follow();
}

function follow() { paper.scrollTop = paper.scrollHeight; }

function showNext() {
  const t = Math.min(pointed ?? chosen ?? read(), read()), inText = t < read(), came = inText ? ids[t] : null;
  $("to-end").hidden = chosen === null;
  if (t === 0) {
    $("next-title").textContent = inText ? "The first character is given, not predicted." : "Type something to begin with.";
    for (const row of rows) row.hidden = true;
    return;
  }
  const found = logitsAt(t), p = softmax(found), q = chances(found);
  $("next-title").textContent = inText
    ? `Before ${labels[came]}: ${percent(p[came])}, ${bits[t].toFixed(1)} bits` : "What comes next?";
  const order = likeliest(p, rows.length);
  if (inText && !order.includes(came)) order[order.length - 1] = came;
  order.forEach((id, n) => {
    const row = rows[n], [name, bar, number] = row.children;
    row.hidden = false;
    row.id_ = id;
    name.textContent = labels[id];
    number.textContent = percent(p[id]);
    row.style.setProperty("--p", 100 * p[id] + "%");
    row.style.setProperty("--q", 100 * q[id] + "%");
    row.classList.toggle("came", id === came);
  });
}

function likeliest(p, count) { // without sorting thousands
  const best = [];
  for (let id = 0; id < p.length; id++) {
    if (best.length === count && p[id] <= p[best[count - 1]]) continue;
    let n = best.length;
    while (n > 0 && p[best[n - 1]] < p[id]) n--;
    best.splice(n, 0, id);
    best.length = Math.min(best.length, count);
  }
  return best;
}

const slots = [...document.querySelectorAll("[data-n]")];
const plain = value => value.toFixed(2).replace("-", "−");

function showUnit() {
  const t = Math.min(pointed ?? chosen ?? read() - 1, read() - 1), { l, u } = picked;
  $("after").textContent = t < 0 ? "" : `Layer ${l + 1}, unit ${u}, after ${labels[ids[t]]}, character ${(t + 1).toLocaleString("en")}:`;
  if (t < 0) return;
  const values = { before: plain(states[t][startOfC(l) + u]) };
  for (const [n, gate] of ["i", "f", "g", "o"].entries()) {
    const [x, h] = unitSums(l, u, t, n);
    values["ax_" + gate] = plain(x);
    values["ah_" + gate] = (h < 0 ? "− " : "+ ") + Math.abs(h).toFixed(2);
  }
  for (const signal of signals) values[signal] = plain(valueOf({ l, u, signal }, t));
  for (const slot of slots) slot.textContent = values[slot.dataset.n];
}

/* ---- Units that follow something: as part3/units.py finds them -------------------------------------------------- */

function features(text) { // {name: a value after each character but the last, whose next is unknown}
  const found = {
    "inside quotation marks": [], "how far into the line": [], "how far into the word": [],
    "a capital letter comes next": [], "the sentence ends next": [],
  };
  let quoted = false, inLine = 0, inWord = 0;
  for (let t = 0; t + 1 < text.length; t++) {
    const character = text[t], paragraphEnds = character === "\n" && (text[t - 1] ?? "\n") === "\n";
    if (character === '"') quoted = !quoted;
    quoted = (quoted || character === "“") && character !== "”" && !paragraphEnds;
    inLine = character === "\n" ? 0 : inLine + 1;
    inWord = " \n".includes(character) ? 0 : inWord + 1;
    const values = [quoted, inLine, inWord, /\p{Lu}/u.test(text[t + 1]), ".!?".includes(text[t + 1])];
    Object.values(found).forEach((list, k) => list.push(Number(values[k])));
  }
  return found;
}

let searched = 0, named = {}; // how far the search is; the units that were found, by what they follow

function* findUnits(report) { // a character at a time
  const asked = features(ids.map(id => characters[id])), table = Object.values(asked), N = ids.length - 1, S = 6 * L * H;
  const halves = [0, 1].map(() => ({ n: 0, s: new Float64Array(S), ss: new Float64Array(S), f: table.map(() => 0),
    ff: table.map(() => 0), sf: table.map(() => new Float64Array(S)) }));
  const values = new Float64Array(S);
  for (let t = 0; t < N; t++) {
    for (let l = 0; l < L; l++) {
      gateSums(sums, l, ids[t], states[t], states[t + 1]);
      for (let u = 0, s = 6 * l * H; u < H; u++, s += 6) {
        values[s] = sigmoid(sums[u]);
        values[s + 1] = sigmoid(sums[H + u]);
        values[s + 2] = Math.tanh(sums[2 * H + u]);
        values[s + 3] = sigmoid(sums[3 * H + u]);
        values[s + 4] = states[t + 1][startOfC(l) + u];
        values[s + 5] = states[t + 1][startOfH(l) + u];
      }
    }
    const half = halves[Number(t >= Math.floor(N / 2))];
    half.n++;
    for (let s = 0; s < S; s++) {
      half.s[s] += values[s];
      half.ss[s] += values[s] ** 2;
    }
    table.forEach((feature, k) => {
      const value = feature[t], products = half.sf[k];
      half.f[k] += value;
      half.ff[k] += value ** 2;
      if (value) for (let s = 0; s < S; s++) products[s] += value * values[s];
    });
    searched = t;
    yield;
  }
  const r = ({ n, s, ss, f, ff, sf }, k, at) => {
    const size = Math.sqrt((ss[at] - s[at] ** 2 / n) * (ff[k] - f[k] ** 2 / n));
    return size > 0 ? (sf[k][at] - s[at] * f[k] / n) / size : 0;
  };
  const found = {};
  Object.keys(asked).forEach((name, k) => {
    if (halves.some(({ n, f, ff }) => ff[k] - f[k] ** 2 / n <= 0)) return;
    const units = Array.from({ length: L * H }, (_, unit) => {
      const ranks = signals.map((_, n) => Math.abs(r(halves[0], k, 6 * unit + n))), best = ranks.indexOf(Math.max(...ranks));
      return [ranks[best], Math.floor(unit / H), unit % H, signals[best], r(halves[1], k, 6 * unit + best)];
    });
    found[name] = units.sort((a, b) => b[0] - a[0]).slice(0, data.best).map(unit => unit.slice(1));
  });
  report(found);
}

function showFound(found, where) {
  named = found;
  $("found-in").textContent = Object.keys(found).length
    ? `The best on one half of ${where}; the number is the correlation on the other half.` : `None can be named in ${where}.`;
  const table = document.createElement("table");
  for (const [name, units] of Object.entries(found)) {
    const line = document.createElement("tr"), place = document.createElement("td");
    for (const [l, u, signal, r] of units) {
      const button = make("button", plain(r));
      button.setAttribute("aria-label", `${name}: layer ${l + 1}, unit ${u}, ${signal}, correlation ${plain(r)}`);
      button.title = `layer ${l + 1}, unit ${u}, ${signal}`;
      button.addEventListener("click", () => pick({ l, u, signal }, true));
      place.append(button);
    }
    line.append(make("th", name), place);
    table.append(line);
  }
  $("found").replaceChildren(table);
}

function pick(unit, show = false) {
  picked = unit;
  [$("layer").value, $("unit").value, $("signal").value] = [unit.l, unit.u, unit.signal];
  if (show) {
    colour = "unit";
    document.querySelector("[name=colour][value=unit]").checked = true;
  }
  recolour();
  stale = true;
  wake();
}

/* ---- Controls ------------------------------------------------------------------------------------------------------ */

function restart() {
  random = generator(Number($("seed").value));
  const wanted = known($("prompt").value);
  given = Math.min(wanted.length, LONGEST);
  search = null;
  choose(null);
  setText([]);
  setText(wanted);
}

function readSettings() {
  setting.temperature = Number($("temperature").value);
  setting.topK = Number($("top-k").value);
  setting.minP = Number($("min-p").value);
  $("temperature-shown").textContent = setting.temperature === 0 ? "0: always the likeliest" : setting.temperature.toFixed(2);
  $("top-k-shown").textContent = setting.topK === V ? "(top-k): all" : `(top-k): ${setting.topK}`;
  $("min-p-shown").textContent = setting.minP === 0 ? "(min-p): all" : `(min-p): from ${setting.minP.toFixed(2)} of the best`;
  stale = true;
  wake();
}

function setEditing(on) {
  $("editing").hidden = !on;
  paper.hidden = on;
  for (const id of ["write", "one", "again", "edit", "held-out"]) $(id).disabled = on;
  if (!on) return;
  setWriting(false);
  const text = part => part.map(id => characters[id]).join("");
  const caret = text(ids.slice(0, chosen ?? ids.length)).length; // where a character was chosen
  $("editor").value = text(ids);
  $("editor").setSelectionRange(caret, caret);
  $("editor").focus();
}

function readThrough(text) {
  const wanted = known(text);
  given = 0;
  search = null;
  choose(null);
  setText(wanted);
  recolour();
}

$("prompt").addEventListener("input", () => { setWriting(false); restart(); });
$("write").addEventListener("click", () => { if (!writing) follow(); setWriting(!writing); });
$("one").addEventListener("click", () => {
  setWriting(false);
  while (read() < ids.length) readNext();
  choose(null);
  if (ids.length < LONGEST) writeNext();
  follow();
});
$("again").addEventListener("click", () => { restart(); setWriting(true); });
$("seed").addEventListener("change", () => { random = generator(Number($("seed").value)); });
for (const id of ["temperature", "top-k", "min-p"]) $(id).addEventListener("input", readSettings);
$("edit").addEventListener("click", () => setEditing(true));
$("cancel").addEventListener("click", () => setEditing(false));
$("done").addEventListener("click", () => { setEditing(false); readThrough($("editor").value); });
$("held-out").hidden = !data.heldOut;
$("held-out").addEventListener("click", () => { setWriting(false); readThrough(data.heldOut); });
$("to-end").addEventListener("click", () => choose(null));
$("stop").addEventListener("click", () => {
  if (search) search = null;
  else {
    tell(`Stopped: the first ${read().toLocaleString("en")} of ${ids.length.toLocaleString("en")} characters were read, the others left out.`);
    ids.length = read();
  }
  wake();
});
for (const radio of document.querySelectorAll("[name=colour]")) {
  radio.addEventListener("change", () => { colour = radio.value; recolour(); });
}
for (const id of ["layer", "unit", "signal"]) {
  $(id).addEventListener("change", () => {
    const u = Math.min(H - 1, Math.max(0, Math.round(Number($("unit").value)) || 0));
    pick({ l: Number($("layer").value), u, signal: $("signal").value }, true);
  });
}
$("find").addEventListener("click", () => {
  setWriting(false);
  search = findUnits(found => showFound(found, "the text above"));
  wake();
});

for (let l = 0; l < L; l++) $("layer").append(new Option(l + 1, l));
$("unit").max = H - 1;
$("prompt").value = data.prompt;
const [best] = Object.values(data.units)[0] ?? [];
if (best) showFound(data.units, "a text held out of its training");
else $("found-in").textContent = "Paste a text above, or let the network write a few hundred characters, and find them there.";
pick(best ? { l: best[0], u: best[1], signal: best[2] } : picked);
readSettings();
restart();
