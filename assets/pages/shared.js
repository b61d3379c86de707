"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const sigmoid = a => 1 / (1 + Math.exp(-a));
const percent = p => p > 0.995 ? "> 99 %" : p < 1e-4 ? "< 0.01 %" : Number((100 * p).toPrecision(2)) + " %";

function make(tag, content = "", className = "") { // an element with a text
  const element = document.createElement(tag);
  element.textContent = content;
  if (className) element.className = className;
  return element;
}

function row(...parts) { // [tag, text] side by side
  const line = make("p", "", "row");
  for (const [tag, content] of parts) line.append(make(tag, content));
  return line;
}

/* float16 in base64, as numbers. */
function numbers(base64) {
  const bytes = Uint8Array.from(atob(base64), sign => sign.charCodeAt(0));
  const halves = new DataView(bytes.buffer), found = new Float32Array(bytes.length / 2);
  for (let n = 0; n < found.length; n++) {
    const bits = halves.getUint16(2 * n, true), exponent = bits >> 10 & 31, fraction = bits & 1023;
    found[n] = (bits >> 15 ? -1 : 1) * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  }
  return found;
}

/* The same as a matrix: its rows. */
function matrix(base64, columns) {
  const all = numbers(base64);
  return Array.from({ length: all.length / columns }, (_, r) => all.subarray(r * columns, (r + 1) * columns));
}

/* sums += W x: as many numbers of x from its place `from` on as W has columns. */
function addProduct(sums, W, x, from = 0) {
  const part = x.subarray(from, from + W[0].length);
  let r = 0;
  for (; r + 3 < W.length; r += 4) { // four rows at once: x is fetched once for all
    const w0 = W[r], w1 = W[r + 1], w2 = W[r + 2], w3 = W[r + 3];
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (let k = 0; k < part.length; k++) {
      const x_k = part[k];
      s0 += w0[k] * x_k;
      s1 += w1[k] * x_k;
      s2 += w2[k] * x_k;
      s3 += w3[k] * x_k;
    }
    sums[r] += s0;
    sums[r + 1] += s1;
    sums[r + 2] += s2;
    sums[r + 3] += s3;
  }
  for (; r < W.length; r++) for (let k = 0; k < part.length; k++) sums[r] += W[r][k] * part[k];
}

function softmax(logits, temperature = 1) {
  const largest = Math.max(...logits);
  const p = Float64Array.from(logits, a => Math.exp((a - largest) / temperature));
  const sum = p.reduce((a, b) => a + b, 0);
  return p.map(q => q / sum);
}

/* Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6D2B79F5 >>> 0;
    let t = Math.imul(state ^ state >>> 15, state | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

/* A text, a cell a character: pointing at one shows it; tapping it, or Tab and the arrow keys, choose it; one is in Tab's
   order, and what is returned says which. Cells may stand in lines, elements of the text. */
function choosable(text, { show, hide, choose = show, leave = hide }) {
  let current = null;
  const isCell = element => element.tagName === "SPAN";
  const place = cell => cell.getClientRects()[0];

  function neighbour(cell, step) {
    const [next, first] = step > 0 ? ["nextElementSibling", "firstElementChild"]
      : ["previousElementSibling", "lastElementChild"];
    if (cell[next] || cell.parentElement === text) return cell[next];
    return cell.parentElement[next]?.[first];
  }

  function tabTo(cell) { // where Tab goes; the arrow keys move it
    current?.removeAttribute("tabindex");
    current = cell;
    if (cell) cell.tabIndex = 0;
  }

  function go(cell) {
    if (!cell) return;
    tabTo(cell);
    cell.focus();
  }

  function otherLine(step) { // the character above or below
    const from = place(current);
    let line = null, nearest = null, distance = Infinity;
    for (let cell = neighbour(current, step); cell; cell = neighbour(cell, step)) {
      const box = place(cell);
      if (line === null && Math.abs(box.top - from.top) < from.height / 2) continue;
      line ??= box.top;
      if (Math.abs(box.top - line) > from.height / 2) break;
      if (Math.abs(box.left - from.left) < distance) [nearest, distance] = [cell, Math.abs(box.left - from.left)];
    }
    return nearest;
  }

  const moves = {
    ArrowLeft: () => neighbour(current, -1),
    ArrowRight: () => neighbour(current, 1),
    ArrowUp: () => otherLine(-1),
    ArrowDown: () => otherLine(1),
  };
  text.addEventListener("mouseover", event => { if (isCell(event.target)) show(event.target); });
  text.addEventListener("mouseleave", () => document.activeElement === current ? choose(current) : hide());
  text.addEventListener("click", event => { if (isCell(event.target)) go(event.target); });
  text.addEventListener("focusin", event => { if (isCell(event.target)) choose(event.target); });
  text.addEventListener("focusout", hide);
  text.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") return leave();
    if (!(event.key in moves)) return;
    event.preventDefault();
    go(moves[event.key]());
  });
  return tabTo;
}

/* Drawing on a canvas, in the colours of the page. */
const FONT = "12px system-ui, sans-serif";
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colourOf = name => [1, 3, 5].map(at => parseInt(css(name).slice(at, at + 2), 16)); // red, green, blue

function pen(canvas) { // an empty canvas, as sharp as the screen, measured in CSS pixels
  const { clientWidth: width, clientHeight: height } = canvas, context = canvas.getContext("2d");
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  context.scale(devicePixelRatio, devicePixelRatio);
  context.font = FONT;
  context.fillStyle = css("--faint");
  return { context, width, height };
}

function line(context, points, colour, width) {
  context.strokeStyle = css(colour);
  context.lineWidth = width;
  context.lineJoin = "round";
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

function circle(context, x, y, radius, fill, edge = null) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  if (fill) {
    context.fillStyle = css(fill);
    context.fill();
  }
  if (!edge) return;
  context.strokeStyle = css(edge);
  context.lineWidth = 1.5;
  context.stroke();
}

function redrawn(show) { // when the window's size or its colours change
  addEventListener("resize", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
}
