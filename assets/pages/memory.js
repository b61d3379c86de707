/* The memory: two networks that read the same digits, and what becomes of their states. */
const SHOWN = 200, RECENT = 10; // steps, of them drawn stronger

/* ---- The networks --------------------------------------------------------------------------------------------------
   A state is h, for the LSTM h and c side by side, in double precision. `change` is how the state after a step changes with
   that before it: the Jacobian times a small change. */

class Network {
  constructor(described) {
    Object.assign(this, described);
    const H = this.hidden, gates = this.cell === "LSTM" ? [..."gifo"] : ["h"];
    this.size = this.cell === "LSTM" ? 2 * H : H; // numbers of a state
    const rows = (kind, columns) => gates.flatMap(gate => matrix(this.weights[kind.replace("*", gate)], columns));
    this.W_x = rows("W_*x", this.inputs);
    this.W_h = rows(this.cell === "LSTM" ? "W_*h" : "W_hh", H);
    this.b = gates.flatMap(gate => [...numbers(this.weights["b_" + gate])]);
    [this.W_p, this.b_p] = [matrix(this.weights.W_ph, H), numbers(this.weights.b_p)];
    this.directions = matrix(described.directions, H);
    this.sums = new Float64Array(this.b.length);
    this.sumsChange = new Float64Array(this.b.length);
  }

  start() { return new Float64Array(this.size); }

  /* W_x x_t + W_h h_{t-1} + b: x_t is the digit, raw, or one-hot, which picks a column of W_x. */
  add(digit, before) {
    for (let r = 0; r < this.b.length; r++) {
      this.sums[r] = this.b[r] + (this.inputs === 1 ? digit * this.W_x[r][0] : this.W_x[r][digit]);
    }
    addProduct(this.sums, this.W_h, before);
  }

  step(digit, state, change = null) { // both in place
    const H = this.hidden, a = this.sums, d = this.sumsChange;
    this.add(digit, state);
    if (change) {
      d.fill(0);
      addProduct(d, this.W_h, change);
    }
    for (let u = 0; u < H; u++) {
      if (this.cell !== "LSTM") {
        const h = Math.tanh(a[u]);
        state[u] = h;
        if (change) change[u] = (1 - h * h) * d[u];
        continue;
      }
      const g = Math.tanh(a[u]), i = sigmoid(a[H + u]), f = sigmoid(a[2 * H + u]), o = sigmoid(a[3 * H + u]);
      const before = state[H + u], c = g * i + before * f, squashed = Math.tanh(c);
      state[H + u] = c;
      state[u] = squashed * o;
      if (!change) continue;
      const dg = (1 - g * g) * d[u], di = i * (1 - i) * d[H + u], df = f * (1 - f) * d[2 * H + u], dO = o * (1 - o) * d[3 * H + u];
      const dc = dg * i + g * di + df * before + f * change[H + u];
      change[H + u] = dc;
      change[u] = (1 - squashed * squashed) * dc * o + squashed * dO;
    }
  }

  answer(state) { // probabilities of the ten digits
    const logits = Float64Array.from(this.b_p);
    addProduct(logits, this.W_p, state);
    return softmax(logits);
  }

  place(state) { // in the plane
    const found = new Float64Array(2);
    addProduct(found, this.directions, state);
    return found;
  }
}

const networks = data.networks.map(described => new Network(described));
const best = p => p.indexOf(Math.max(...p));

/* ---- A side: a network, and its ten states after the ten first digits ---------------------------------------------- */

class Side {
  constructor(index) {
    this.network = networks[index];
    this.build(index);
  }

  begin(digit) { // the first one
    const { network } = this, random = generator(7);
    this.first = digit;
    this.states = Array.from({ length: 10 }, (_, d) => {
      const state = network.start();
      network.step(d, state);
      return state;
    });
    this.change = Float64Array.from(network.start(), () => random() - 0.5);
    this.grown = 0; // log10 of how many times as long the change is
    const size = this.shorten();
    this.grown -= Math.log10(size);
    this.past = [];
    this.note();
  }

  shorten() { // the change to length 1, so that it never underflows
    const size = Math.sqrt(this.change.reduce((sum, v) => sum + v * v, 0));
    if (size > 0) for (let n = 0; n < this.change.length; n++) this.change[n] /= size;
    this.grown += Math.log10(size);
    return size;
  }

  read(digit) {
    for (let d = 0; d < 10; d++) this.network.step(digit, this.states[d], d === this.first ? this.change : null);
    this.shorten();
    this.note();
  }

  note() {
    const { network, states, first } = this, state = states[first];
    this.past.push({ h: state.slice(0, network.hidden), p: network.answer(state), place: network.place(state), grown: this.grown });
    if (this.past.length > SHOWN) this.past.shift();
  }

  build(index) {
    const side = this.element = make("section", "", "side");
    const select = document.createElement("select");
    networks.forEach((network, n) => select.append(new Option(network.name, n, false, n === index)));
    select.setAttribute("aria-label", "Which network");
    select.addEventListener("change", () => {
      this.network = networks[Number(select.value)];
      readAnew(this);
    });
    this.says = make("p", "", "says");
    this.answers = make("table", "", "answers");
    for (const [head, tag] of [["first digit", "th"], ["it says", "td"]]) {
      const line = document.createElement("tr");
      line.append(make("th", head));
      for (let d = 0; d < 10; d++) line.append(make(tag, tag === "th" ? d : ""));
      this.answers.append(line);
    }
    side.append(select, this.says, this.answers);
    this.canvases = {};
    for (const [name, title, label] of [
      ["state", "Its state, unit by step", "The hidden state of every unit over the last 200 digits"],
      ["answer", "Its answer, step by step", "The probabilities of the ten digits over the last 200 steps"],
      ["change", "What becomes of a small change", "Its length on a logarithmic scale"],
      ["plane", "Its way in the plane", "The path of the state in the plane of its two main directions"],
    ]) {
      const canvas = make("canvas", "", name);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", label);
      side.append(make("h3", title), canvas);
      this.canvases[name] = canvas;
    }
    $("sides").append(side);
  }

  show(range) {
    const cells = [...this.answers.rows[1].cells].slice(1);
    if (!this.past?.length) {
      this.says.textContent = "";
      for (const cell of cells) [cell.textContent, cell.className] = ["", ""];
      for (const canvas of Object.values(this.canvases)) pen(canvas);
      return;
    }
    const { p } = this.past.at(-1), said = best(p);
    this.says.textContent = `It says ${said}, with ${percent(p[said])}: ${said === this.first ? "right" : "wrong"}.`;
    cells.forEach((cell, d) => {
      const answer = best(this.network.answer(this.states[d]));
      cell.textContent = answer;
      cell.className = (answer === d ? "right" : "wrong") + (d === this.first ? " mine" : "");
    });
    this.drawImages();
    this.drawChange(range);
    this.drawPlane();
  }

  drawImages() {
    const { past } = this, H = this.network.hidden;
    const middle = colourOf("--paper"), [cold, warm, strong] = ["--cold", "--warm", "--strong"].map(colourOf);
    for (const [name, rows, value, colour] of [
      ["state", H, (step, u) => Math.abs(step.h[u]), (step, u) => step.h[u] < 0 ? cold : warm],
      ["answer", 10, (step, d) => step.p[d], () => strong],
    ]) {
      const { context, width, height } = pen(this.canvases[name]), image = new ImageData(SHOWN, rows);
      past.forEach((step, t) => {
        for (let r = 0; r < rows; r++) {
          const share = value(step, r), full = colour(step, r), at = 4 * (SHOWN * r + t);
          for (let n = 0; n < 3; n++) image.data[at + n] = middle[n] + share * (full[n] - middle[n]);
          image.data[at + 3] = 255;
        }
      });
      const small = new OffscreenCanvas(SHOWN, rows);
      small.getContext("2d").putImageData(image, 0, 0);
      context.imageSmoothingEnabled = false;
      const area = { x: MARGIN, y: 2, width: width - MARGIN - 2, height: height - 22 };
      context.drawImage(small, area.x, area.y, area.width, area.height);
      frame(context, area, past.length);
      if (name !== "answer") continue;
      for (let d = 0; d < 10; d++) {
        context.textAlign = "right";
        context.fillText(d === this.first ? `▸ ${d}` : d, MARGIN - 6, area.y + (d + 0.5) * area.height / 10 + 4);
      }
    }
  }

  drawChange([low, high]) {
    const { context, width, height } = pen(this.canvases.change), { past } = this;
    const area = { x: MARGIN, y: 6, width: width - MARGIN - 2, height: height - 26 };
    const x = t => area.x + (t + 0.5) * area.width / SHOWN, y = grown => area.y + (high - grown) / (high - low) * area.height;
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find(size => (high - low) / size <= 5) ?? 2000;
    context.textAlign = "right";
    for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) {
      context.fillText("10" + raised(tick), MARGIN - 4, y(tick) + 4);
      line(context, [[area.x, y(tick)], [area.x + area.width, y(tick)]], "--line", 1);
    }
    frame(context, area, past.length);
    line(context, past.map(({ grown }, t) => [x(t), y(Math.max(low, grown))]), "--strong", 2);
  }

  drawPlane() {
    const { context, width, height } = pen(this.canvases.plane), { past, network } = this;
    const others = this.states.map(state => network.place(state));
    const all = [...network.clusters, ...others, ...past.map(({ place }) => place)];
    const [[left, right], [bottom, top]] = [0, 1].map(n => [Math.min(...all.map(p => p[n])), Math.max(...all.map(p => p[n]))]);
    const scale = Math.min((width - 50) / Math.max(right - left, 1e-9), (height - 50) / Math.max(top - bottom, 1e-9));
    const at = p => [width / 2 + (p[0] - (left + right) / 2) * scale, height / 2 - (p[1] - (bottom + top) / 2) * scale];
    context.textAlign = "center";
    network.clusters.forEach((cluster, d) => {
      const [x, y] = at(cluster);
      circle(context, x, y, 13, null, d === this.first ? "--strong" : "--faint");
      context.fillStyle = css(d === this.first ? "--strong" : "--faint");
      context.font = FONT;
      context.fillText(d, x, y - 16);
    });
    const way = past.map(({ place }) => at(place));
    context.globalAlpha = 0.25;
    line(context, way, "--strong", 1);
    context.globalAlpha = 1;
    line(context, way.slice(-RECENT), "--strong", 1.5);
    others.forEach((place, d) => {
      if (d === this.first) return;
      const [x, y] = at(place);
      circle(context, x, y, 8, "--sheet", "--mark");
      context.fillStyle = css("--mark");
      context.font = FONT;
      context.fillText(d, x, y + 4);
    });
    const [x, y] = at(past.at(-1).place);
    circle(context, x, y, 9, "--strong");
    context.fillStyle = css("--on-strong");
    context.fillText(this.first, x, y + 4);
  }
}

/* ---- Drawing ------------------------------------------------------------------------------------------------------- */

const MARGIN = 44, raised = n => [...String(n)].map(sign => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? "⁻").join("");

/* A frame around an area, and below it which steps it shows. */
function frame(context, area, shown) {
  context.strokeStyle = css("--line");
  context.lineWidth = 1;
  context.strokeRect(area.x + 0.5, area.y + 0.5, area.width, area.height);
  context.fillStyle = css("--faint");
  context.font = FONT;
  const last = digits.length, first = last - shown + 1;
  for (let tick = Math.ceil(first / 50) * 50; tick < first + SHOWN; tick += 50) {
    const x = area.x + (tick - first + 0.5) * area.width / SHOWN;
    context.textAlign = x > area.x + area.width - 20 ? "right" : "center";
    context.fillText(tick.toLocaleString("en"), x, area.y + area.height + 15);
  }
}

/* ---- What is read -------------------------------------------------------------------------------------------------- */

const digits = [], waiting = [];
let random = generator(1), awake = false;
const usual = cell => Math.max(0, networks.findIndex(({ cell: its, name }) => (its === "LSTM") === cell && !name.endsWith("untrained")));
const sides = [new Side(usual(false)), new Side(usual(true))];

function readOne(digit) {
  digits.push(digit);
  for (const side of sides) digits.length === 1 ? side.begin(digit) : side.read(digit);
}

function readAnew(side) { // by another network
  if (digits.length) side.begin(digits[0]);
  for (const digit of digits.slice(1)) side.read(digit);
  show();
}

function read(more) {
  waiting.push(...more);
  if (!awake) requestAnimationFrame(work);
  awake = true;
}

function work() {
  const until = performance.now() + 28;
  while (waiting.length && performance.now() < until) readOne(waiting.shift());
  show();
  awake = waiting.length > 0;
  if (awake) requestAnimationFrame(work);
}

function show() {
  const sequence = $("sequence");
  sequence.replaceChildren();
  if (digits.length) {
    const rest = digits.slice(1), few = innerWidth < 600 ? 8 : 30, end = rest.slice(-few).join(" ");
    sequence.append("First ", make("b", digits[0]), rest.length ? `, then ${rest.length > few ? "… " : ""}${end}` : "",
      `  (${digits.length.toLocaleString("en")} ${digits.length === 1 ? "digit" : "digits"})`);
  } else sequence.append("Type the digit that they are to remember.");
  $("working").textContent = waiting.length ? `${waiting.length.toLocaleString("en")} still to read` : "";
  const grown = sides.flatMap(side => side.past ?? []).map(step => step.grown).filter(Number.isFinite);
  const range = [Math.min(0, ...grown) - 0.5, Math.max(0, ...grown) + 0.5]; // the same on both sides
  for (const side of sides) side.show(range);
}

function drawn(count) { return Array.from({ length: count }, () => Math.floor(10 * random())); }

for (let d = 0; d < 10; d++) {
  const key = make("button", d);
  key.addEventListener("click", () => read([d]));
  $("keys").append(key);
}
addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName === "SELECT" || !/^\d$/.test(event.key)) return;
  read([Number(event.key)]);
});
$("ten").addEventListener("click", () => read(drawn(10)));
$("thousand").addEventListener("click", () => read(drawn(1000)));
$("again").addEventListener("click", () => {
  digits.length = waiting.length = 0;
  for (const side of sides) side.past = null;
  show();
});
redrawn(show);
[7, ...drawn(9)].forEach(readOne);
show();
