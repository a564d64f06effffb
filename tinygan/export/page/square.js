// A square between four codes: every point is a mixture of its corners.
"use strict";

const CELLS = 5; // images along a side of the map

class Square {
  constructor(engine, drawing) {
    this.engine = engine;
    this.drawing = drawing;
    prepare(byId("map"), CELLS, CELLS);
    byId("corners").addEventListener("click", () => this.newCorners());
    for (const name of ["across", "down"]) byId(name).addEventListener("input", () => this.moved());
    const pad = byId("pad");
    const follow = (event) => {
      const box = pad.getBoundingClientRect();
      byId("across").value = (100 * (event.clientX - box.left)) / box.width;
      byId("down").value = (100 * (event.clientY - box.top)) / box.height;
      this.moved();
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      follow(event);
    });
    pad.addEventListener("pointermove", (event) => event.buttons && follow(event));
  }

  /** New corners, and the map of what lies between them. */
  newCorners() {
    this.corners = Array.from({ length: 4 }, () => normal());
    this.mark();
    for (let row = 0; row < CELLS; row++) for (let column = 0; column < CELLS; column++) {
      const code = this.code(column / (CELLS - 1), row / (CELLS - 1));
      this.engine.show(`cell ${row} ${column}`, code, (image) => paint(byId("map"), image, column * width, row * height));
    }
  }

  /** The mixture at (x, y): bilinear weights, made as long as one so that its values keep the prior's variance. */
  code(x, y) {
    const weights = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
    const length = Math.sqrt(dot(weights, weights));
    return mixed(this.corners, weights.map((weight) => weight / length));
  }

  mark() {
    byId("mark").style.left = `${byId("across").value}%`;
    byId("mark").style.top = `${byId("down").value}%`;
  }

  moved() {
    this.mark();
    this.drawing.startFrom(this.code(byId("across").value / 100, byId("down").value / 100), "Between four codes");
  }
}
