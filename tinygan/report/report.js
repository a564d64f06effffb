// Values under the pointer and sliders over iterations. The page is readable without; the data comes from its tables.
"use strict";

for (const figure of document.querySelectorAll(".plot")) addCursor(figure);
addSliders();
hintAtScrolling();
openForPrinting();
document.documentElement.classList.add("scripted");
document.documentElement.dataset.ready = "true";

/** Let pointer and keyboard read a plot's values: a slider over its iterations, invisible but for its line and dots. */
function addCursor(figure) {
  const area = figure.querySelector(".area");
  const reading = figure.querySelector(".reading");
  const place = { x: scale(area.dataset.x), y: scale(area.dataset.y) };
  const { iterations, columns } = tableValues(figure.querySelector("table"));
  const legend = [...figure.querySelectorAll(".legend li")];
  const last = iterations.length - 1;
  let current = last;

  const cursor = area.appendChild(document.createElement("div"));
  cursor.className = "cursor";
  cursor.tabIndex = 0;
  cursor.setAttribute("role", "slider");
  cursor.setAttribute("aria-label", `Read the values of: ${figure.querySelector("figcaption").firstElementChild.textContent}`);
  cursor.setAttribute("aria-valuemin", iterations[0]);
  cursor.setAttribute("aria-valuemax", iterations[last]);
  const line = cursor.appendChild(document.createElement("i"));
  const dots = legend.map((item) => {
    const dot = cursor.appendChild(document.createElement("span"));
    dot.className = `dot ${item.querySelector(".curve").getAttribute("class").replace("curve", "")}`;
    return dot;
  });

  function show(index, visible) {
    current = Math.min(Math.max(index, 0), last);
    const iteration = iterations[current];
    const texts = columns.map((points, number) => {
      const point = nearest(points, iteration);
      legend[number].querySelector(".value").textContent = point ? point.text : "–";
      dots[number].hidden = !visible || !point;
      if (point) {
        dots[number].style.left = `${100 * place.x(point.iteration)}%`;
        dots[number].style.top = `${100 * (1 - place.y(point.value))}%`;
      }
      return `${legend[number].children[1].textContent} ${point ? point.text : "no value"}`;
    });
    line.hidden = !visible;
    line.style.left = `${100 * place.x(iteration)}%`;
    const where = `Iteration ${iteration.toLocaleString("en")}`;
    reading.textContent = visible ? where : `${where}, the last`;
    cursor.setAttribute("aria-valuenow", iteration);
    cursor.setAttribute("aria-valuetext", `${where}: ${texts.join(", ")}`);
  }

  function follow(event) {
    const box = cursor.getBoundingClientRect();
    const fraction = (event.clientX - box.left) / box.width;
    show(closest(iterations, (iteration) => Math.abs(place.x(iteration) - fraction)), true);
  }

  const focused = () => document.activeElement === cursor;
  cursor.addEventListener("pointermove", follow);
  cursor.addEventListener("pointerdown", follow);
  cursor.addEventListener("pointerleave", () => focused() || show(last, false));
  cursor.addEventListener("focus", () => show(current, true));
  cursor.addEventListener("blur", () => show(last, false));
  cursor.addEventListener("keydown", (event) => {
    const step = Math.max(1, Math.round(last / 10));
    const moves = {
      ArrowLeft: current - 1, ArrowDown: current - 1, ArrowRight: current + 1, ArrowUp: current + 1,
      PageDown: current - step, PageUp: current + step, Home: 0, End: last,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(moves[event.key], true);
  });
  show(last, false);
}

/** From "low high log" to a function from a value to its place on the axis, 0 to 1. */
function scale(text) {
  const [low, high, kind] = text.split(" ");
  const f = kind === "log" ? (value) => Math.log(Math.max(value, 1e-300)) : Number;
  return (value) => (f(value) - f(low)) / (f(high) - f(low));
}

/** The iterations of a table's rows, and for each further column its points, where it has any. */
function tableValues(table) {
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  const columns = rows[0].slice(1).map((_, number) =>
    rows.filter((row) => row[number + 1] !== "")
      .map((row) => ({ iteration: Number(row[0]), value: Number(row[number + 1]), text: row[number + 1] })));
  return { iterations: rows.map((row) => Number(row[0])), columns };
}

/** The point nearest to an iteration; nothing before the first and after the last. */
function nearest(points, iteration) {
  if (!points.length || iteration < points[0].iteration || iteration > points[points.length - 1].iteration) return null;
  return points[closest(points, (point) => Math.abs(point.iteration - iteration))];
}

/** The index of the item with the smallest distance. */
function closest(items, distance) {
  let best = 0;
  items.forEach((item, index) => {
    if (distance(item) < distance(items[best])) best = index;
  });
  return best;
}

/** Each slider shows one of its card's pictures; coupled, the others go to the iteration nearest to it. */
function addSliders() {
  const together = document.getElementById("together");
  const shows = [...document.querySelectorAll("[data-slides]")].map((card) => {
    const frames = [...card.querySelectorAll("img")];
    const iterations = frames.map((frame) => Number(frame.dataset.iteration));
    const slider = card.querySelector("input");
    const output = card.querySelector("output");
    function show(index) {
      frames.forEach((frame, number) => { frame.hidden = number !== index; });
      slider.value = index;
      output.textContent = iterations[index].toLocaleString("en");
      slider.setAttribute("aria-valuetext", `iteration ${output.textContent}`);
    }
    return { slider, iterations, show };
  });
  for (const one of shows) {
    one.show(one.iterations.length - 1);
    one.slider.addEventListener("input", () => {
      const index = Number(one.slider.value);
      one.show(index);
      if (!together || !together.checked) return;
      for (const other of shows) {
        const distance = (iteration) => Math.abs(iteration - one.iterations[index]);
        if (other !== one) other.show(closest(other.iterations, distance));
      }
    });
  }
}

/** The hint above a table stays only while the table is wider than its place. */
function hintAtScrolling() {
  const update = () => {
    for (const hint of document.querySelectorAll(".scroll-hint")) {
      const scroll = hint.nextElementSibling;
      hint.hidden = scroll.scrollWidth <= scroll.clientWidth + 1;
    }
  };
  addEventListener("resize", update);
  update();
}

/** What is folded away is printed too. */
function openForPrinting() {
  const folded = () => [...document.querySelectorAll("details:not([open])")];
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = folded();
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
}
