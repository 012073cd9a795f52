// The images of a study: zoom, window and level, inversion, regions and score maps as layers that can be switched off.
// Without this file the page shows the captures instead.
"use strict";

const FIRST_WINDOW = { centre: 0.5, width: 1 };
const STEP = 0.05;
const LEAST_WIDTH = 0.05;
let filters = 0;

// A linear window over the values of the display: exact, where CSS brightness and contrast would clip in between.
function makeFilter() {
  const id = `window-${(filters += 1)}`;
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const filter = document.createElementNS(space, "filter");
  const transfer = document.createElementNS(space, "feComponentTransfer");
  const functions = ["R", "G", "B"].map((channel) => {
    const element = document.createElementNS(space, `feFunc${channel}`);
    element.setAttribute("type", "linear");
    return element;
  });
  svg.setAttribute("width", "0");
  svg.setAttribute("height", "0");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("window-filter");
  filter.id = id;
  filter.setAttribute("color-interpolation-filters", "sRGB");
  transfer.append(...functions);
  filter.append(transfer);
  svg.append(filter);
  document.body.append(svg);
  return { css: `url(#${id})`, functions };
}

class Viewer {
  constructor(figure) {
    this.figure = figure;
    this.film = figure.querySelector(".film");
    this.output = figure.querySelector("output");
    this.window = { ...FIRST_WINDOW };
    this.filter = makeFilter();
    this.readerBoxes = [];
    this.drawing = false;
    figure.hidden = false;
    this.seadragon = OpenSeadragon({
      element: this.film,
      tileSources: { type: "image", url: figure.dataset.image },
      drawer: "canvas",
      showNavigationControl: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      animationTime: 0.3,
      maxZoomPixelRatio: 6,
      visibilityRatio: 0.5,
      tabIndex: -1,
    });
    this.seadragon.addHandler("open", () => this.addLayers());
    this.seadragon.addHandler("open-failed", () => this.fail());
    this.seadragon.addHandler("canvas-drag", (event) => this.drag(event));
    this.seadragon.addHandler("canvas-key", (event) => { event.preventDefaultAction = true; });
    this.film.addEventListener("keydown", (event) => this.press(event));
    for (const button of figure.querySelectorAll("button[data-do]")) {
      button.addEventListener("click", () => this.do(button.dataset.do));
    }
    for (const box of figure.querySelectorAll("input[type=checkbox]")) {
      box.addEventListener("change", () => this.showLayers());
    }
  }

  fail() {
    this.film.textContent = this.figure.dataset.failed;
    this.film.classList.add("failed");
  }

  button(name) { return this.figure.querySelector(`button[data-do=${name}]`); }

  isOn(name) { return this.button(name)?.getAttribute("aria-pressed") === "true"; }

  addLayers() {
    this.layers = [...this.figure.querySelectorAll("[data-layer]")].map((item) => {
      const regions = [...item.querySelectorAll(".region-data")].map((data) => this.addRegion(data));
      return { box: item.querySelector("input"), regions, map: item.dataset.map ? this.addMap(item) : null };
    });
    this.showLayers();
    this.showWindow();
  }

  addRegion(data) {
    const element = document.createElement("div");
    const label = document.createElement("span");
    const size = this.seadragon.world.getItemAt(0).getContentSize();
    const high = size.y / size.x;
    element.className = `region c-${data.dataset.claim}`;
    label.textContent = data.textContent;
    element.append(label);
    const { left, top, width, height } = data.dataset;
    const place = new OpenSeadragon.Rect(+left, top * high, +width, height * high);
    this.seadragon.addOverlay({ element, location: place });
    return element;
  }

  addMap(item) {
    const element = document.createElement("img");
    const size = this.seadragon.world.getItemAt(0).getContentSize();
    element.className = "score-map";
    element.alt = `${this.figure.dataset.map} ${item.querySelector("label").textContent.trim()}`;
    element.dataset.address = item.dataset.map;
    this.seadragon.addOverlay({ element, location: new OpenSeadragon.Rect(0, 0, 1, size.y / size.x) });
    return element;
  }

  showLayers() {
    for (const layer of this.layers ?? []) {
      for (const region of layer.regions) region.classList.toggle("off", !layer.box.checked || !this.isOn("regions"));
      if (!layer.map) continue;
      const on = layer.box.checked && this.isOn("maps");
      if (on && !layer.map.src) layer.map.src = layer.map.dataset.address; // asked for, and noted, only when looked at
      layer.map.classList.toggle("off", !on);
    }
    const hidden = this.button("regions") !== null && !this.isOn("regions");
    for (const element of this.readerBoxes) element.classList.toggle("off", hidden);
  }

  showWindow() {
    const { centre, width } = this.window;
    const slope = (this.isOn("invert") ? -1 : 1) / width;
    const middle = 0.5 - slope * centre;
    for (const element of this.filter.functions) {
      element.setAttribute("slope", slope);
      element.setAttribute("intercept", middle);
    }
    this.seadragon.drawer.canvas.style.filter = this.filter.css;
    const { brightness, contrast } = this.figure.dataset;
    const changed = centre !== FIRST_WINDOW.centre || width !== FIRST_WINDOW.width;
    this.output.textContent = changed ? `${brightness} ${percent(1 - centre)}, ${contrast} ${oneDecimal(1 / width)} ×` : "";
  }

  changeWindow(centre, width) {
    this.window.centre = Math.min(1, Math.max(0, this.window.centre + centre));
    this.window.width = Math.min(2, Math.max(LEAST_WIDTH, this.window.width + width));
    this.showWindow();
  }

  drag(event) {
    if (this.drawing) return; // answer.js draws a box
    if (!event.shift && !this.isOn("window")) return;
    event.preventDefaultAction = true;
    const scale = 1 / Math.max(200, this.film.clientWidth);
    this.changeWindow(event.delta.y * scale, -event.delta.x * scale);
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action(this);
  }

  move(x, y) {
    const bounds = this.seadragon.viewport.getBounds();
    this.seadragon.viewport.panBy(new OpenSeadragon.Point(x * bounds.width, y * bounds.height));
    this.seadragon.viewport.applyConstraints();
  }

  zoom(factor) {
    this.seadragon.viewport.zoomBy(factor);
    this.seadragon.viewport.applyConstraints();
  }

  toggle(name) {
    const button = this.button(name);
    if (!button) return;
    button.setAttribute("aria-pressed", String(!this.isOn(name)));
    this.showLayers();
    this.showWindow();
  }

  do(name) {
    if (name === "fit") this.seadragon.viewport.goHome();
    else if (name === "in") this.zoom(1.4);
    else if (name === "out") this.zoom(1 / 1.4);
    else if (name === "reset") this.reset();
    else this.toggle(name);
  }

  reset() {
    this.window = { ...FIRST_WINDOW };
    for (const name of ["invert", "window"]) if (this.isOn(name)) this.toggle(name);
    this.showWindow();
    this.seadragon.viewport.goHome();
  }
}

const KEYS = {
  "+": (viewer) => viewer.do("in"),
  "=": (viewer) => viewer.do("in"),
  "-": (viewer) => viewer.do("out"),
  "0": (viewer) => viewer.do("fit"),
  "[": (viewer) => viewer.changeWindow(STEP, 0),
  "]": (viewer) => viewer.changeWindow(-STEP, 0),
  "{": (viewer) => viewer.changeWindow(0, STEP),
  "}": (viewer) => viewer.changeWindow(0, -STEP),
  w: (viewer) => viewer.do("window"),
  i: (viewer) => viewer.do("invert"),
  r: (viewer) => viewer.do("regions"),
  m: (viewer) => viewer.do("maps"),
  Escape: (viewer) => viewer.do("reset"),
  ArrowLeft: (viewer) => viewer.move(-0.1, 0),
  ArrowRight: (viewer) => viewer.move(0.1, 0),
  ArrowUp: (viewer) => viewer.move(0, -0.1),
  ArrowDown: (viewer) => viewer.move(0, 0.1),
};

const LANGUAGE = document.documentElement.lang;

function percent(share) { return `${Math.round(100 * share)} %`; }

function oneDecimal(number) {
  return number.toLocaleString(LANGUAGE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

// OpenSeadragon would write a style sheet of one rule into the page, which the page's policy forbids. It writes none where
// it finds one: an element of that name which is no style sheet of HTML.
const sheet = document.createElementNS("urn:cxrnode", "style");
sheet.setAttribute("data-openseadragon-mobile-css", "true");
document.head.append(sheet);
for (const details of document.querySelectorAll("details.sent")) details.open = false;
for (const figure of document.querySelectorAll("figure.viewer")) {
  const folded = figure.closest("details.prior-image"); // asked for, and noted, only when it is looked at
  if (!folded) figure.viewer = new Viewer(figure);
  else folded.addEventListener("toggle", () => { if (folded.open) figure.viewer ??= new Viewer(figure); });
}
