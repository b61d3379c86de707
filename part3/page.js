"use strict";
const text = document.getElementById("text"), card = document.getElementById("card");
const labels = text.dataset.labels.split(" ");
let current = text.firstElementChild; // where Tab goes; the arrow keys move it
current.tabIndex = 0;

const percent = p => p > 0.995 ? "> 99 %" : Number((100 * p).toPrecision(2)) + " %";
const place = cell => cell.getClientRects()[0];
const neighbour = (cell, step) => step > 0 ? cell.nextElementSibling : cell.previousElementSibling;

function row(...parts) { // of the card: [tag, text] side by side
  const line = document.createElement("p");
  for (const [tag, content] of parts) line.appendChild(document.createElement(tag)).textContent = content;
  return line;
}

function show(cell) {
  if (cell.dataset.p) {
    const [[came, p], ...likeliest] = cell.dataset.p.split(" ").map(pair => pair.split(":").map(Number));
    const bits = Math.log2(1 / p).toFixed(1) + " bits";
    card.replaceChildren(row(["b", labels[came]], ["span", percent(p)], ["span", bits]));
    for (const [id, p] of likeliest) {
      const line = row(["b", labels[id]], ["i", ""], ["span", percent(p)]);
      line.style.setProperty("--p", 100 * p + "%");
      line.classList.toggle("came", id === came);
      card.append(line);
    }
  } else card.replaceChildren(row(["span", "The first character is given, not predicted."]));
  card.hidden = false;
  const box = place(cell), space = document.documentElement.clientWidth - card.offsetWidth - 8;
  const below = box.bottom + card.offsetHeight + 8 < innerHeight;
  card.style.left = scrollX + Math.max(8, Math.min(box.left, space)) + "px";
  card.style.top = scrollY + (below ? box.bottom + 8 : box.top - 8 - card.offsetHeight) + "px";
}

function hide() { card.hidden = true; }

function go(cell) {
  if (!cell) return;
  current.removeAttribute("tabindex");
  current = cell;
  current.tabIndex = 0;
  current.focus();
}

function otherLine(step) { // the character above or below
  const from = place(current);
  let line = null, nearest = null, distance = Infinity;
  for (let cell = neighbour(current, step); cell; cell = neighbour(cell, step)) {
    const box = place(cell);
    if (line === null && box.top === from.top) continue;
    line ??= box.top;
    if (box.top !== line) break;
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
text.addEventListener("mouseover", event => { if (event.target !== text) show(event.target); });
text.addEventListener("mouseleave", () => document.activeElement === current ? show(current) : hide());
text.addEventListener("click", event => { if (event.target !== text) go(event.target); });
text.addEventListener("focusin", event => show(event.target));
text.addEventListener("focusout", hide);
text.addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") return hide();
  if (!(event.key in moves)) return;
  event.preventDefault();
  go(moves[event.key]());
});
