// The present code and its image: a base, and how far along each direction of change; samples and the film give bases.
"use strict";

const REACH = 4; // a slider's ends, in standard deviations of the prior
const SAMPLES = 12;
const FILM_LEG = 2500; // milliseconds from one code to the next

const byId = (name) => document.getElementById(name);

class Drawing {
  constructor(engine) {
    this.engine = engine;
    this.base = new Float32Array(facts.code_size);
    this.principal = true;
    this.random = randomDirections(facts.directions.length);
    this.amounts = facts.directions.map(() => 0);
    this.frame = 0;
    prepare(byId("image"));
    this.sliders = facts.directions.map((_, index) => this.addSlider(index));
    this.samples = Array.from({ length: SAMPLES }, (_, index) => this.addSample(index));
    byId("new").addEventListener("click", () => this.newSamples());
    byId("zero").addEventListener("click", () => this.startFrom(new Float32Array(facts.code_size), "Code 0"));
    byId("centre").addEventListener("click", () => this.startFrom(this.base, byId("what").textContent));
    byId("film").addEventListener("click", () => (this.frame ? this.stopFilm() : this.startFilm()));
    byId("directions").addEventListener("click", () => this.chooseDirections(!this.principal));
  }

  addSlider(index) {
    const row = byId("sliders").appendChild(document.createElement("div"));
    row.className = "row";
    const label = row.appendChild(document.createElement("label"));
    const input = row.appendChild(document.createElement("input"));
    const output = row.appendChild(document.createElement("output"));
    Object.assign(input, { type: "range", id: `direction-${index}`, min: -REACH, max: REACH, step: 0.05, value: 0 });
    label.htmlFor = output.htmlFor = input.id;
    label.textContent = `Direction ${index + 1}`;
    input.addEventListener("input", () => {
      this.stopFilm();
      this.amounts[index] = Number(input.value);
      this.update();
    });
    return { input, output };
  }

  addSample(index) {
    const one = { code: normal(), button: null };
    one.button = byId("samples").appendChild(tile(`Sample ${index + 1}`, () => this.startFrom(one.code, `Sample ${index + 1}`)));
    return one;
  }

  chooseDirections(principal) {
    this.principal = principal;
    if (!principal) this.random = randomDirections(facts.directions.length);
    byId("directions").innerHTML = `${principal ? "Random directions" : "Principal directions"} <kbd>D</kbd>`;
    byId("about-directions").textContent = principal
      ? "The directions of the code that change the image most: the first right singular vectors of the Jacobian ∂G/∂z at z = 0, in standard deviations of the prior."
      : "Random directions at right angles to each other, in standard deviations of the prior.";
    this.startFrom(this.base, byId("what").textContent);
  }

  /** A new base, with all sliders at 0. */
  startFrom(code, name, keepFilm = false) {
    if (!keepFilm) this.stopFilm();
    this.base = code;
    this.amounts.fill(0);
    byId("what").textContent = name;
    this.update();
  }

  code() {
    const directions = this.principal ? facts.directions : this.random;
    return mixed([this.base, ...directions], [1, ...this.amounts]);
  }

  update() {
    const code = this.code();
    this.sliders.forEach(({ input, output }, index) => {
      if (Number(input.value) !== this.amounts[index]) input.value = this.amounts[index];
      output.textContent = this.amounts[index].toFixed(2);
    });
    this.engine.show("image", code, (image, milliseconds) => {
      paint(byId("image"), image);
      byId("numbers").textContent = `‖z‖²/dim ${(dot(code, code) / code.length).toFixed(2)}, drawn in ${milliseconds.toFixed(0)} ms`;
    });
  }

  newSamples() {
    for (const one of this.samples) one.code = normal();
    this.startFrom(this.samples[0].code, "Sample 1");
    for (const one of this.samples) this.engine.show(one, one.code, (image) => paint(one.button.firstChild, image));
  }

  startFilm() {
    let from = this.code(), to = normal(), begun = performance.now();
    byId("film").setAttribute("aria-pressed", "true");
    const step = (now) => {
      if (now - begun >= FILM_LEG) [from, to, begun] = [to, normal(), now];
      this.startFrom(arc(from, to, Math.max(0, now - begun) / FILM_LEG), "Film along a walk", true);
      this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  stopFilm() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    byId("film").setAttribute("aria-pressed", "false");
  }
}
