"use strict";
(() => {
  const scenes = JSON.parse(document.getElementById("scenes").textContent);
  if (!scenes.length) return;
  const at = (id) => document.getElementById(id);
  const [stage, divider, zoom] = [at("stage"), at("divider"), at("zoom")];
  const sides = ["left", "right"].map((name) => ({
    choice: at(name), image: at(`${name}-image`), note: at(`${name}-note`),
  }));
  let position = 50;

  const scene = () => scenes[at("scene").selectedIndex];

  function option(text) {
    const made = document.createElement("option");
    made.textContent = text;
    return made;
  }

  /** Fill the lists of a scene; what was chosen in the one before stays chosen. */
  function enter(chosen) {
    sides.forEach(({ choice }, n) => {
      choice.replaceChildren(...scene().views.map((view) => option(view.label)));
      choice.selectedIndex = Math.max(0, scene().views.findIndex((view) => view.label === chosen[n]));
    });
    show();
  }

  function show() {
    for (const { choice, image, note } of sides) {
      const view = scene().views[choice.selectedIndex];
      image.src = view.source;
      image.alt = `${scene().title}: ${view.label}`;
      const small = document.createElement("span");
      small.textContent = view.note;
      note.replaceChildren(view.label, small);
    }
    move(position);
    sides[0].image.decode().then(resize, resize);
  }

  /** One pixel of the picture on one pixel of the screen, however the page is zoomed, times the chosen size. */
  function resize() {
    const scale = Number(zoom.value) / window.devicePixelRatio;
    const { naturalWidth, naturalHeight } = sides[0].image;
    stage.style.width = `${naturalWidth * scale}px`;
    stage.style.height = `${naturalHeight * scale}px`;
    // Centred, the stage may lie between two pixels of the screen, which would smear the picture.
    stage.style.left = stage.style.top = "0px";
    const box = stage.getBoundingClientRect();
    stage.style.left = `${toPixel(box.left + window.scrollX)}px`;
    stage.style.top = `${toPixel(box.top + window.scrollY)}px`;
  }

  /** How far a place on the page is from the next pixel of the screen. */
  function toPixel(place) {
    return Math.round(place * window.devicePixelRatio) / window.devicePixelRatio - place;
  }

  function move(percent) {
    position = Math.min(100, Math.max(0, percent));
    divider.style.left = `${position}%`;
    sides[1].image.style.clipPath = `inset(0 0 0 ${position}%)`;
    const labels = sides.map(({ choice }) => choice.value);
    divider.setAttribute("aria-valuenow", String(Math.round(position)));
    divider.setAttribute("aria-valuetext", `${Math.round(position)} % ${labels[0]}, the rest ${labels[1]}`);
  }

  function choose(side, index) {
    if (index >= 0 && index < scene().views.length) {
      sides[side].choice.selectedIndex = index;
      show();
    }
  }

  function turn(step) {
    const chosen = sides.map(({ choice }) => choice.value);
    at("scene").selectedIndex = (at("scene").selectedIndex + step + scenes.length) % scenes.length;
    enter(chosen);
  }

  function swap() {
    const [left, right] = sides.map(({ choice }) => choice.selectedIndex);
    sides[0].choice.selectedIndex = right;
    sides[1].choice.selectedIndex = left;
    show();
  }

  function follow(event) {
    const box = stage.getBoundingClientRect();
    move(100 * (event.clientX - box.left) / box.width);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    divider.focus({ preventScroll: true });
    follow(event);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });

  divider.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
    const step = event.shiftKey ? 10 : 2;
    const keys = {
      ArrowLeft: () => move(position - step), ArrowRight: () => move(position + step),
      Home: () => move(0), End: () => move(100),
      ArrowUp: () => turn(-1), ArrowDown: () => turn(1), " ": swap,
    };
    if (digit) choose(event.shiftKey ? 0 : 1, Number(digit[1]) - 1);
    else if (Object.hasOwn(keys, event.key)) keys[event.key]();
    else return;
    event.preventDefault();
  });

  at("scene").addEventListener("change", () => enter(sides.map(({ choice }) => choice.value)));
  sides.forEach(({ choice }) => choice.addEventListener("change", show));
  zoom.addEventListener("change", resize);
  window.addEventListener("resize", resize);

  at("scene").replaceChildren(...scenes.map((one) => option(one.title)));
  enter([scenes[0].left, scenes[0].right]);
})();
