// What the page asks for, computed beside it: draws codes, searches for images.
"use strict";

let network = null;
let running = 0; // the number of the search that may go on
const { port1: here, port2: there } = new MessageChannel();
here.start();

/** Let messages in: between two steps of a search the page may ask for other images, or for a stop. */
function breathe() {
  return new Promise((goOn) => {
    here.addEventListener("message", goOn, { once: true }); // two searches may wait while one ends the other
    there.postMessage(0);
  });
}

const ANSWERS = {
  open({ operations, bytes }) {
    network = openNetwork(operations, bytes);
    return {};
  },
  draw({ code }) {
    const begun = performance.now();
    const [image] = forward(network, code);
    return { image, milliseconds: performance.now() - begun };
  },
  async search({ id, target, codeSize, search }) {
    running = id;
    await searchCode(network, codeSize, target, search, async (step, loss, code, image) => {
      postMessage({ id, progress: { step, loss, code, image } });
      await breathe();
      return running === id;
    });
    return {};
  },
  stop() {
    running = 0;
    return {};
  },
};

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, answer: await ANSWERS[data.ask](data) });
  } catch (error) {
    postMessage({ id: data.id, error: String(error) });
  }
};
