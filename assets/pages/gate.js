/* The gate: a unit of an LSTM under a time gate, beside the same unit without. */
const { unit, duration: DURATION } = data;
const GRID = 401; // places at which the input is kept, between them it is a straight line
const gate = { tau: 0, s: 0, r_on: 0, leak: 0 }; // as the sliders say

/* The phase φ of equation 12, and the openness k: the rising half, the falling half, the leak. */
function phase(t) {
  const u = (t - gate.s) / gate.tau;
  return u - Math.floor(u);
}

function openness(t) {
  const phi = phase(t), up = 2 * phi / gate.r_on;
  return phi < gate.r_on / 2 ? up : phi < gate.r_on ? 2 - up : gate.leak * phi;
}

/* The unit over all times: what its equations hold at each, with the gate, or without, where k is 1. */
function run(gated) {
  let c = 0, h = 0;
  return times.map(t => {
    const x = inputAt(t), sum = gate => unit[`W_${gate}x`] * x + unit[`W_${gate}h`] * h + unit[`b_${gate}`];
    const g = Math.tanh(sum("g")), [i, f, o] = [..."ifo"].map(gate => sigmoid(sum(gate)));
    const k = gated ? openness(t) : 1, before = c, hBefore = h;
    const tilde = g * i + before * f; // (13)
    c = k * tilde + (1 - k) * before; // (14)
    const hTilde = Math.tanh(c) * o; // (15)
    h = k * hTilde + (1 - k) * hBefore; // (16)
    return { t, x, phi: phase(t), k, g, i, f, o, before, tilde, c, hTilde, hBefore, h };
  });
}

/* ---- The input, and when it is read -------------------------------------------------------------------------------- */

let input = new Float64Array(GRID), times = [], seed = 1, current = 10; // the step whose numbers are shown
const gridPlace = t => t / DURATION * (GRID - 1);

function inputAt(t) {
  const place = gridPlace(t), left = Math.min(GRID - 2, Math.floor(place)), share = place - left;
  return (1 - share) * input[left] + share * input[left + 1];
}

const INPUTS = {
  wave: t => Math.sin(2 * Math.PI * t / 13),
  pulse: t => Number(t >= 2 && t < 4),
  noise: (t, random) => 2 * random() - 1,
  nothing: () => 0,
};

function setInput(name) {
  const random = generator(11);
  input = input.map((_, n) => INPUTS[name](n * DURATION / (GRID - 1), random));
  show();
}

function setTimes(irregular) {
  const random = generator(seed);
  times = Array.from({ length: DURATION }, (_, n) => n + 1);
  if (irregular) times = times.map(() => DURATION * random()).sort((a, b) => a - b);
  $("anew").disabled = !irregular;
  $("step").max = times.length;
  show();
}

/* ---- Pictures: time from left to right, the same in all ------------------------------------------------------------ */

const MARGIN = 36;
const widthOf = canvas => canvas.clientWidth - MARGIN - 8;
const xOf = (canvas, t) => MARGIN + t / DURATION * widthOf(canvas);
const timeAt = (canvas, event) => (event.clientX - canvas.getBoundingClientRect().left - MARGIN) / widthOf(canvas) * DURATION;

/* An empty picture with its axes; returns where a time and a value lie. */
function axes(canvas, low, high, ticks) {
  const { context, height } = pen(canvas), area = { top: 8, height: height - 28 };
  const x = t => xOf(canvas, t), y = value => area.top + (high - value) / (high - low) * area.height;
  for (const tick of ticks) {
    context.textAlign = "right";
    context.fillText(String(tick).replace("-", "−"), MARGIN - 6, y(tick) + 4);
    line(context, [[x(0), y(tick)], [x(DURATION), y(tick)]], "--line", 1);
  }
  for (let t = 0; t <= DURATION; t += 10) {
    context.textAlign = t === DURATION ? "right" : "center";
    context.fillText(t === 0 ? "t = 0" : t, x(t), height - 4);
  }
  const now = times[current - 1];
  line(context, [[x(now), area.top], [x(now), area.top + area.height]], "--bar", 2);
  return { context, x, y };
}

function drawOpenness() {
  const { context, x, y } = axes($("openness"), 0, 1, [0, 0.5, 1]);
  const corners = [0];
  for (let n = Math.floor(-gate.s / gate.tau); n * gate.tau + gate.s < DURATION; n++) {
    for (const phi of [0, gate.r_on / 2, gate.r_on]) corners.push(gate.s + (n + phi) * gate.tau);
  }
  const TINY = 1e-9; // a corner is drawn from both sides: with a leak the gate jumps there
  const all = corners.flatMap(t => [t - TINY, t + TINY]).concat(DURATION).filter(t => t >= 0 && t <= DURATION).sort((a, b) => a - b);
  line(context, all.map(t => [x(t), y(openness(t))]), "--strong", 2);
  for (const t of times) circle(context, x(t), y(openness(t)), 2.5, "--strong");
}

function drawInput() {
  const { context, x, y } = axes($("input"), -1.1, 1.1, [-1, 0, 1]);
  line(context, Array.from(input, (value, n) => [x(n * DURATION / (GRID - 1)), y(value)]), "--faint", 1.5);
  for (const t of times) circle(context, x(t), y(inputAt(t)), 3, "--ink");
}

function drawState(gated, plain) {
  const largest = Math.max(1, ...[...gated, ...plain].map(step => Math.abs(step.c))) * 1.08;
  const tick = Math.max(1, Math.floor(largest));
  const { context, x, y } = axes($("state"), -largest, largest, [-tick, 0, tick]);
  for (const [steps, colour, radius] of [[plain, "--mark", 2.5], [gated, "--strong", 3]]) {
    const points = steps.map(step => [x(step.t), y(step.c)]);
    line(context, [[x(0), y(0)], ...points], colour, 2);
    for (const [px, py] of points) circle(context, px, py, radius, colour);
  }
}

/* ---- Numbers ------------------------------------------------------------------------------------------------------- */

const slots = [...document.querySelectorAll("[data-n]")];
const plainly = value => value.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−");

function showNumbers(gated, plain) {
  const step = gated[current - 1], { phi, k } = step;
  const [formula, filled] = phi < gate.r_on / 2 ? ["2φ / r_on, opening", `2 · ${plainly(phi)} / ${plainly(gate.r_on)}`]
    : phi < gate.r_on ? ["2 − 2φ / r_on, closing", `2 − 2 · ${plainly(phi)} / ${plainly(gate.r_on)}`]
      : ["α φ, closed", `${gate.leak.toFixed(3)} · ${plainly(phi)}`];
  const values = { ...step, ...gate, shut: 1 - k, plain: plain[current - 1].c, plainBefore: plain[current - 1].before };
  for (const slot of slots) slot.textContent = slot.dataset.n === "branch" ? filled : plainly(values[slot.dataset.n]);
  $("branch").textContent = formula;
  $("step").value = current;
  $("step-shown").textContent = `${current} of ${times.length}, at t = ${plainly(step.t)}`;
  $("weights").textContent = `The unit’s gates: g = tanh(${unit.W_gx} x) = ${plainly(step.g)}, i = σ(${unit.b_i}) = ${plainly(step.i)}, `
    + `f = σ(${plainly(unit.b_f)}) = ${plainly(step.f)}, o = σ(${unit.b_o}) = ${plainly(step.o)}. They do not depend on h, so that what the time gate does can be seen alone.`;
  $("input").setAttribute("aria-valuenow", step.x.toFixed(2));
  $("input").setAttribute("aria-valuetext", `input ${step.x.toFixed(2)} at time ${step.t.toFixed(1)}`);
}

function show() {
  for (const name of Object.keys(gate)) {
    gate[name] = Number($(name).value);
    $(`${name}-shown`).textContent = gate[name].toFixed(name === "leak" ? 3 : name === "r_on" ? 2 : 1);
  }
  unit.b_f = Number($("b_f").value);
  $("b_f-shown").textContent = `${plainly(unit.b_f)}: f = ${plainly(sigmoid(unit.b_f))}`;
  current = Math.min(current, times.length);
  const gated = run(true), plain = run(false);
  drawOpenness();
  drawInput();
  drawState(gated, plain);
  showNumbers(gated, plain);
}

/* ---- Controls ------------------------------------------------------------------------------------------------------ */

function pointAt(canvas, event) { // choose the step nearest to the pointer
  const t = timeAt(canvas, event), distances = times.map(time => Math.abs(time - t));
  current = distances.indexOf(Math.min(...distances)) + 1;
  show();
}

let drawing = null; // [grid place, value] where the pointer was
const canvas = $("input");

function drawTo(event) {
  const box = canvas.getBoundingClientRect(), place = Math.round(gridPlace(timeAt(canvas, event)));
  const share = (event.clientY - box.top - 8) / (box.height - 28), value = Math.min(1, Math.max(-1, 1.1 - 2.2 * share));
  const [from, was] = drawing ?? [place, value], steps = Math.max(1, Math.abs(place - from));
  for (let n = 0; n <= steps; n++) {
    const at = Math.round(from + (place - from) * n / steps);
    if (at >= 0 && at < GRID) input[at] = was + (value - was) * n / steps;
  }
  drawing = [place, value];
}

canvas.addEventListener("pointerdown", event => {
  canvas.setPointerCapture(event.pointerId);
  drawing = null;
  drawTo(event);
  pointAt(canvas, event);
});
canvas.addEventListener("pointerup", () => { drawing = null; });
canvas.addEventListener("pointercancel", () => { drawing = null; });
for (const id of ["openness", "input", "state"]) {
  $(id).addEventListener("pointermove", event => {
    if (drawing) drawTo(event);
    pointAt($(id), event);
  });
}
canvas.addEventListener("keydown", event => {
  const [along, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key] ?? [];
  if (along === undefined) return;
  event.preventDefault();
  current = Math.min(times.length, Math.max(1, current + along));
  const place = gridPlace(times[current - 1]);
  for (let n = Math.ceil(place - 5); n <= place + 5; n++) { // as wide as half a unit of time on both sides
    if (up && n >= 0 && n < GRID) input[n] = Math.min(1, Math.max(-1, input[n] + up));
  }
  show();
});
for (const slider of document.querySelectorAll("#sliders input")) slider.addEventListener("input", show);
for (const button of document.querySelectorAll("[data-input]")) button.addEventListener("click", () => setInput(button.dataset.input));
for (const radio of document.querySelectorAll("[name=sampling]")) radio.addEventListener("change", () => setTimes(radio.value === "irregular"));
$("anew").addEventListener("click", () => { seed++; setTimes(true); });
$("step").addEventListener("input", () => { current = Number($("step").value); show(); });
redrawn(show);
setTimes(false);
setInput("wave");
