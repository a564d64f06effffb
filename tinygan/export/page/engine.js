// The generator in its worker, and codes.
"use strict";

const facts = JSON.parse(document.getElementById("network").textContent);
const [height, width] = facts.image_size;

/** Questions to the worker, each with a number. Images that are to be shown wait here, so that the newest code counts. */
class Engine {
  constructor() {
    const source = document.getElementById("worker").textContent;
    this.worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    this.open = new Map();
    this.count = 0;
    this.waiting = new Map();
    this.drawing = "";
    this.worker.onmessage = ({ data }) => {
      const question = this.open.get(data.id);
      if (data.progress) return question.progress(data.progress);
      this.open.delete(data.id);
      return "error" in data ? question.fail(new Error(data.error)) : question.done(data.answer);
    };
    const bytes = Uint8Array.from(atob(document.getElementById("weights").textContent), (letter) => letter.charCodeAt(0));
    this.ready = this.ask("open", { operations: facts.operations, bytes: bytes.buffer });
  }

  ask(ask, message = {}, progress = null) {
    const id = ++this.count;
    return new Promise((done, fail) => {
      this.open.set(id, { done, fail, progress });
      this.worker.postMessage({ ...message, ask, id });
    });
  }

  /** G(code): {image, milliseconds}, the image as floats in [0, 1], (H, W, 3). */
  draw(code) {
    return this.ask("draw", { code });
  }

  /** Call use(image, milliseconds) with G(code) when its turn comes, unless another code for the same place came first.
   *
   * The large image has every second turn, so that it follows the hand while tiles are still to be drawn. */
  async show(place, code, use) {
    this.waiting.set(place, [code, use]);
    if (this.drawing) return;
    while (this.waiting.size) {
      const first = this.waiting.keys().next().value;
      this.drawing = this.waiting.has("image") && this.drawing !== "image" ? "image" : first;
      const [nextCode, nextUse] = this.waiting.get(this.drawing);
      this.waiting.delete(this.drawing);
      const { image, milliseconds } = await this.draw(nextCode);
      nextUse(image, milliseconds);
    }
    this.drawing = "";
  }

  /** The paper's search; onStep({step, loss, code, image}) after each. Resolves at the last step or after stop(). */
  search(target, steps, onStep) {
    return this.ask("search", { target, codeSize: facts.code_size, search: { ...facts.search, steps } }, onStep);
  }

  stop() {
    return this.ask("stop");
  }
}

/** Standard normal values (Box and Muller). */
function normal(count = facts.code_size) {
  return Float32Array.from({ length: count }, () =>
    Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()));
}

const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);

/** Σ weights·codes. */
function mixed(codes, weights) {
  return codes[0].map((_, k) => codes.reduce((sum, code, which) => sum + weights[which] * code[k], 0));
}

/** The point t of the great arc from a to b, as tinygan.evaluation.pictures.arc. */
function arc(a, b, t) {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  const angle = lengths ? Math.acos(Math.min(1, Math.max(-1, dot(a, b) / lengths))) : 0;
  const whole = Math.sin(angle);
  if (whole < 1e-6) return mixed([a, b], [1 - t, t]);
  return mixed([a, b], [Math.sin((1 - t) * angle) / whole, Math.sin(t * angle) / whole]);
}

/** Random directions of length 1, each at right angles to all others (Gram and Schmidt). */
function randomDirections(count) {
  const found = [];
  while (found.length < count) {
    let one = normal();
    for (const other of found) one = mixed([one, other], [1, -dot(one, other)]);
    found.push(one.map((value) => value / Math.sqrt(dot(one, one))));
  }
  return found;
}

/** Floats in [0, 1] (H, W, 3) onto a canvas, rounded to 0..255. */
function paint(canvas, image, left = 0, top = 0) {
  const pixels = new ImageData(width, height);
  for (let k = 0, p = 0; k < image.length; k += 3, p += 4) {
    for (let c = 0; c < 3; c++) pixels.data[p + c] = Math.round(255 * image[k + c]);
    pixels.data[p + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, left, top);
}

/** Give a canvas room for columns × rows images. */
function prepare(canvas, columns = 1, rows = 1) {
  canvas.width = columns * width;
  canvas.height = rows * height;
  canvas.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  return canvas;
}

/** A button that holds a canvas of one image. */
function tile(label, onClick) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tile";
  button.setAttribute("aria-label", label);
  button.append(prepare(document.createElement("canvas")));
  button.addEventListener("click", onClick);
  return button;
}
