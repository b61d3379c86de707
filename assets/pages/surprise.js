const text = $("text"), card = $("card");

function show(cell) {
  if (cell.dataset.p) {
    const [[came, p], ...likeliest] = cell.dataset.p.split(" ").map(pair => pair.split(":").map(Number));
    const bits = Math.log2(1 / p).toFixed(1) + " bits";
    card.replaceChildren(row(["b", data[came]], ["span", percent(p)], ["span", bits]));
    for (const [id, p] of likeliest) {
      const line = row(["b", data[id]], ["i", ""], ["span", percent(p)]);
      line.style.setProperty("--p", 100 * p + "%");
      line.classList.toggle("came", id === came);
      card.append(line);
    }
  } else card.replaceChildren(row(["span", "The first character is given, not predicted."]));
  card.hidden = false;
  const box = cell.getClientRects()[0], space = document.documentElement.clientWidth - card.offsetWidth - 8;
  const below = box.bottom + card.offsetHeight + 8 < innerHeight;
  card.style.left = scrollX + Math.max(8, Math.min(box.left, space)) + "px";
  card.style.top = scrollY + (below ? box.bottom + 8 : box.top - 8 - card.offsetHeight) + "px";
}

choosable(text, { show, hide: () => { card.hidden = true; } })(text.firstElementChild);
