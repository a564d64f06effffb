// Drop an image in and watch the search for its code: pictures, figures and two curves.
"use strict";

class SearchPanel {
  constructor(engine, drawing) {
    this.engine = engine;
    this.drawing = drawing;
    this.path = []; // {step, loss, code} of each step so far
    for (const name of ["target", "reached"]) prepare(byId(name));
    byId("size").textContent = `${width}×${height}`;
    this.curves = [new Curve("loss", "squared error per value", true), new Curve("‖z‖²/dim", "1 for codes of the prior", false)];
    byId("curves").append(...this.curves.map((curve) => curve.figure));
    byId("file").addEventListener("change", () => this.take(byId("file").files[0]));
    addEventListener("paste", (event) => event.clipboardData.files.length && this.take(event.clipboardData.files[0]));
    const drop = byId("drop");
    for (const kind of ["dragover", "drop", "dragleave"]) addEventListener(kind, (event) => {
      if (kind !== "dragleave") event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
    });
    addEventListener("drop", ({ dataTransfer: { files } }) => {
      if (files.length) this.take(files[0]);
      else this.complain("That was no file: save the image first, then drop the file.");
    });
    byId("stop").addEventListener("click", () => this.engine.stop());
    byId("take").addEventListener("click", () => this.drawing.startFrom(this.shown().code, `Found by the search, step ${this.shown().step}`));
    byId("step").addEventListener("input", () => this.show(Number(byId("step").value)));
    facts.held_out.forEach((source, index) => this.addHeldOut(source, index));
    byId("held-out-title").hidden = !facts.held_out.length;
  }

  async addHeldOut(source, index) {
    const button = byId("held-out").appendChild(tile(`Search for held-out image ${index + 1}`, () => this.search(target)));
    const image = new Image();
    image.src = source;
    await image.decode();
    const target = pixelsOf(image, image.naturalWidth, image.naturalHeight);
    paint(button.firstChild, target);
  }

  /** A file that was dropped, pasted or chosen. */
  async take(file) {
    if (!file) return;
    const image = await createImageBitmap(file).catch(() => null);
    if (image) await this.search(pixelsOf(image, image.width, image.height));
    else this.complain(`${file.name}: this browser cannot read it as an image; take a PNG, JPEG or WebP.`);
  }

  complain(text) {
    byId("trouble").hidden = !text;
    byId("trouble").textContent = text;
  }

  async search(target) {
    this.path = [];
    this.lookBack(false);
    this.complain("");
    paint(byId("target"), target);
    byId("found").hidden = false;
    byId("stop").disabled = false;
    const path = this.path, steps = Number(byId("steps").value);
    byId("step").max = steps;
    await this.engine.search(target, steps, ({ step, loss, code, image }) => {
      if (path !== this.path) return; // a later search has begun
      path.push({ step, loss, code });
      this.lookBack(true);
      paint(byId("reached"), image);
      this.figures(path[step]);
      this.draw();
    });
    if (path !== this.path) return;
    byId("stop").disabled = true;
    const last = path[path.length - 1];
    byId("said").textContent = `Search ended at step ${last.step} with loss ${last.loss.toFixed(6)}.`;
  }

  /** Whether there is a step to look at and to go on from. */
  lookBack(possible) {
    for (const name of ["take", "step"]) byId(name).disabled = !possible;
  }

  shown() {
    return this.path[Number(byId("step").value)];
  }

  /** Look back at a step. */
  show(step) {
    const one = this.path[Math.min(step, this.path.length - 1)];
    this.figures(one);
    this.draw();
    this.engine.show("reached", one.code, (image) => paint(byId("reached"), image));
  }

  figures({ step, loss, code }) {
    byId("step").value = step;
    byId("step-text").textContent = step;
    byId("loss").textContent = loss.toFixed(6);
    byId("psnr").textContent = `${(-10 * Math.log10(loss)).toFixed(2)} dB`;
    byId("z2").textContent = (dot(code, code) / code.length).toFixed(3);
  }

  draw() {
    const { step } = this.shown(), last = Number(byId("step").max);
    this.curves[0].draw(this.path.map((one) => one.loss), last, step);
    this.curves[1].draw(this.path.map(({ code }) => dot(code, code) / code.length), last, step);
  }
}

/** An image cut to the middle, as large as it can be, and made the network's size: floats in [0, 1], (H, W, 3). */
function pixelsOf(image, w, h) {
  const scale = Math.min(w / width, h / height), cut = [scale * width, scale * height];
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "black"; // behind what is transparent, as in training
  context.fillRect(0, 0, width, height);
  context.drawImage(image, (w - cut[0]) / 2, (h - cut[1]) / 2, ...cut, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return Float32Array.from({ length: width * height * 3 }, (_, k) => data[4 * Math.floor(k / 3) + (k % 3)] / 255);
}

/** A line over the steps, with its lowest and highest value written beside it. */
class Curve {
  constructor(name, about, logarithmic) {
    this.name = name;
    this.logarithmic = logarithmic;
    this.figure = document.createElement("figure");
    this.figure.innerHTML =
      '<figcaption><b></b> <span></span></figcaption><div class="plot"><span class="high"></span><span class="low"></span>' +
      '<svg viewBox="0 0 300 100" preserveAspectRatio="none" role="img"><path></path><line y1="0" y2="100"></line></svg></div>';
    this.figure.querySelector("b").textContent = name;
    this.figure.querySelector("figcaption span").textContent = about;
  }

  draw(values, last, step) {
    const f = this.logarithmic ? Math.log : Number;
    const low = Math.min(...values), high = Math.max(...values), range = f(high) - f(low) || 1;
    const x = (k) => (300 * k) / Math.max(1, last);
    const points = values.map((value, k) => `${x(k).toFixed(1)},${(97 - (94 * (f(value) - f(low))) / range).toFixed(1)}`);
    const svg = this.figure.querySelector("svg"), line = svg.querySelector("line");
    svg.querySelector("path").setAttribute("d", `M${points.join("L")}`);
    svg.setAttribute("aria-label", `${this.name} over ${values.length} steps, from ${show(values[0])} to ${show(values[values.length - 1])}`);
    for (const end of ["x1", "x2"]) line.setAttribute(end, x(step));
    this.figure.querySelector(".high").textContent = show(high);
    this.figure.querySelector(".low").textContent = show(low);
  }
}

const show = (value) => value.toPrecision(3);
