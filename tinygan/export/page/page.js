// The page: its parts, its facts, its keys.
"use strict";

for (const kind of ["error", "unhandledrejection"]) addEventListener(kind, ({ message, reason }) => {
  byId("failure").textContent = `The page cannot go on: ${message || reason}`;
  byId("failure").hidden = false;
});

const engine = new Engine();
const drawing = new Drawing(engine);
const square = new Square(engine, drawing);
const searching = new SearchPanel(engine, drawing);

byId("summary").textContent = facts.summary;
byId("facts").textContent = facts.about;

const KEYS = { n: "new", f: "film", 0: "zero", c: "corners", d: "directions" };
addEventListener("keydown", (event) => {
  const button = KEYS[event.key.toLowerCase()];
  if (!button || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  event.preventDefault();
  byId(button).click();
});

engine.ready.then(() => {
  drawing.chooseDirections(true);
  drawing.newSamples();
  square.newCorners();
  document.documentElement.dataset.ready = "true";
});
