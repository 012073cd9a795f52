// Answers to findings by keys, boxes drawn on the image, and answers that are recorded without a new page.
// Without this file the answers are plain forms.
"use strict";

const KEYS_SETTING = "cxrnode-answer-keys";
const ANSWER_KEYS = { a: "agree", d: "disagree", u: "unsure", z: "withdrawn" };
const SIDES = ["x", "y", "width", "height"];

// A box of a form, shown on the image while it is drawn or typed; its sides are pixels of the source image.
class BoxDrawing {
  constructor(fieldset, viewer) {
    this.viewer = viewer;
    this.button = fieldset.querySelector(".draw");
    this.columns = +fieldset.dataset.columns;
    this.rows = +fieldset.dataset.rows;
    this.inputs = SIDES.map((side) => fieldset.querySelector(`[name=${side}]`));
    this.element = document.createElement("div");
    this.element.className = "drawn-box";
    this.shown = false;
    this.button.hidden = false;
    this.button.addEventListener("click", () => (this.isOn() ? this.stop() : this.start()));
    fieldset.addEventListener("input", () => this.show());
    fieldset.closest("details").addEventListener("toggle", () => this.show());
  }

  isOn() { return this.button.getAttribute("aria-pressed") === "true"; }

  start() {
    const seadragon = this.viewer.seadragon;
    this.viewer.stopDrawing?.();
    this.viewer.drawing = true;
    this.viewer.stopDrawing = () => this.stop();
    this.viewer.figure.classList.add("drawing");
    this.button.setAttribute("aria-pressed", "true");
    this.press = (event) => { this.corner = this.pixel(event.position); };
    this.move = (event) => {
      event.preventDefaultAction = true;
      if (this.corner) this.span(this.corner, this.pixel(event.position));
    };
    this.end = (event) => {
      event.preventDefaultAction = true;
      if (!this.corner) return;
      this.corner = null;
      this.stop();
      const save = this.button.closest("form").querySelector("button[name=answer]");
      setTimeout(() => save.focus()); // after OpenSeadragon, which takes the focus at the end of a press
    };
    seadragon.addHandler("canvas-press", this.press);
    seadragon.addHandler("canvas-drag", this.move);
    seadragon.addHandler("canvas-drag-end", this.end);
    this.viewer.figure.scrollIntoView({ block: "nearest" });
  }

  stop() {
    const seadragon = this.viewer.seadragon;
    seadragon.removeHandler("canvas-press", this.press);
    seadragon.removeHandler("canvas-drag", this.move);
    seadragon.removeHandler("canvas-drag-end", this.end);
    this.viewer.drawing = false;
    this.viewer.stopDrawing = null;
    this.viewer.figure.classList.remove("drawing");
    this.button.setAttribute("aria-pressed", "false");
  }

  pixel(position) {
    const point = this.viewer.seadragon.viewport.pointFromPixel(position);
    const high = heightOf(this.viewer);
    return [clamp(point.x, 1) * this.columns, clamp(point.y / high, 1) * this.rows];
  }

  span([x, y], [otherX, otherY]) {
    const sides = [Math.min(x, otherX), Math.min(y, otherY), Math.abs(x - otherX), Math.abs(y - otherY)];
    sides.forEach((value, index) => { this.inputs[index].value = value.toFixed(1); });
    this.show();
  }

  show() {
    const sides = this.inputs.map((input) => parseFloat(input.value));
    const open = this.button.closest("details")?.open && this.button.isConnected;
    const visible = open && sides.every(Number.isFinite) && sides[2] > 0 && sides[3] > 0;
    if (this.shown) this.viewer.seadragon.removeOverlay(this.element);
    this.shown = visible;
    if (!visible) return;
    const location = place(this.viewer, sides, this.columns, this.rows);
    this.viewer.seadragon.addOverlay({ element: this.element, location });
  }
}

class AnswerSection {
  constructor(section) {
    this.section = section;
    this.words = section.dataset; // in the language of the page; those of what was done by the name of the answer
    this.holder = section.querySelector(".answer-panels");
    this.status = section.querySelector(".answer-status");
    this.current = null;
    this.drawings = [];
    this.setUp();
    if (!this.status) return; // somebody who may look only
    this.keys = section.querySelector(".answer-keys input");
    this.keys.checked = localStorage.getItem(KEYS_SETTING) !== "off";
    this.keys.addEventListener("change", () => localStorage.setItem(KEYS_SETTING, this.keys.checked ? "on" : "off"));
    section.querySelector(".answer-keys").hidden = false;
    section.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(event.target, event.submitter);
    });
    section.addEventListener("focusin", (event) => {
      const row = event.target.closest(".answer-row");
      if (row) this.choose(row, false);
    });
    document.addEventListener("keydown", (event) => this.press(event));
    this.choose(this.rows()[0], false);
  }

  rows() { return [...this.holder.querySelectorAll(".answer-row")]; }

  viewerOf(element) {
    const image = element.closest("[data-of]").dataset.of;
    return [...document.querySelectorAll("figure.viewer")].find((figure) => figure.dataset.image === image)?.viewer;
  }

  setUp() {
    for (const panel of this.holder.querySelectorAll(".answer-image")) {
      const viewer = this.viewerOf(panel);
      if (!viewer) continue;
      for (const fieldset of panel.querySelectorAll(".box-fields")) this.drawings.push(new BoxDrawing(fieldset, viewer));
      if (viewer.layers) this.showBoxes(panel, viewer);
      else viewer.seadragon.addOnceHandler("open", () => { this.showBoxes(panel, viewer); this.mark(); });
    }
  }

  showBoxes(panel, viewer) {
    for (const element of viewer.readerBoxes) viewer.seadragon.removeOverlay(element);
    viewer.readerBoxes = [...panel.querySelectorAll("[data-box]")].map((answer) => {
      const [x0, y0, x1, y1] = answer.dataset.box.split(" ").map(Number);
      const element = document.createElement("div");
      const label = document.createElement("span");
      element.className = "reader-box";
      label.textContent = answer.dataset.name;
      element.append(label);
      const sides = [x0, y0, x1 - x0, y1 - y0];
      const location = place(viewer, sides, +panel.dataset.columns, +panel.dataset.rows);
      viewer.seadragon.addOverlay({ element, location });
      return element;
    });
    viewer.showLayers();
  }

  choose(row, scroll = true) {
    if (!row) return;
    this.current = row.dataset.subject;
    const folded = row.closest("details");
    if (folded) folded.open = true;
    for (const other of this.rows()) {
      if (other === row) other.setAttribute("aria-current", "true");
      else other.removeAttribute("aria-current");
    }
    if (scroll) row.scrollIntoView({ block: "nearest" });
    this.mark();
  }

  chosen() { return this.rows().find((row) => row.dataset.subject === this.current) ?? this.rows()[0]; }

  // The region of the chosen row stands out on the image.
  mark() {
    for (const region of document.querySelectorAll(".region.chosen")) region.classList.remove("chosen");
    const row = this.status ? this.chosen() : null;
    const viewer = row && this.viewerOf(row);
    if (!viewer?.layers) return;
    const items = [...viewer.figure.querySelectorAll("[data-layer]")];
    const layer = viewer.layers[items.findIndex((item) => item.dataset.layer === row.dataset.label)];
    layer?.regions[row.dataset.position - 1]?.classList.add("chosen");
  }

  step(by) {
    const rows = this.rows();
    const index = rows.indexOf(this.chosen());
    this.choose(rows[Math.min(rows.length - 1, Math.max(0, index + by))]);
  }

  press(event) {
    if (event.key === "Escape") {
      for (const drawing of this.drawings) if (drawing.isOn()) { drawing.stop(); event.preventDefault(); }
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (!this.keys.checked || takesText(event.target)) return;
    const action = this.actionOf(event.key.toLowerCase());
    if (!action) return;
    event.preventDefault();
    action();
  }

  actionOf(key) {
    if (key === "j") return () => this.step(1);
    if (key === "k") return () => this.step(-1);
    if (key in ANSWER_KEYS) return () => this.answer(ANSWER_KEYS[key]);
    if (key === "b") return () => this.box();
    if (key === "f") return () => this.open(".add-form", "select");
    if (key === "c") return () => this.open(".comment-form", "textarea");
    if (key === "n") return () => this.panel().querySelector(".nothing-missed button").click();
    return null;
  }

  panel() { return this.chosen().closest(".answer-image"); }

  answer(value) {
    const row = this.chosen();
    const button = row.querySelector(`.choices button[value=${value}]`);
    if (!button) {
      this.say(this.words.nothingBack);
      return;
    }
    this.send(button.form, button, value !== "withdrawn");
  }

  // The box of the chosen region, or a new one of the chosen finding.
  box() {
    const row = this.chosen();
    const own = row.querySelector(".box-form");
    const details = own ?? this.panel().querySelector(".add-form");
    details.open = true;
    const select = own ? null : details.querySelector("select");
    if (select && [...select.options].some((option) => option.value === row.dataset.label)) select.value = row.dataset.label;
    const drawing = this.drawings.find((one) => details.contains(one.button));
    if (!drawing) return;
    drawing.show();
    drawing.inputs[0].focus();
    drawing.start();
    this.say(this.words.draw);
  }

  open(form, field) {
    const details = this.panel().querySelector(form);
    details.open = true;
    details.querySelector(field).focus();
  }

  say(text, problem = false) {
    this.status.textContent = text;
    this.status.classList.toggle("problem", problem);
  }

  async send(form, button, onward = false) {
    const fields = new URLSearchParams(new FormData(form, button));
    const row = form.closest(".answer-row");
    const name = row ? `${row.querySelector(".what b").textContent}: ` : "";
    const words = this.words[button.value] ?? button.textContent.trim().toLowerCase();
    const held = document.activeElement === button ? pathTo(button) : null;
    const folded = form.closest("details.more")?.className;
    const panel = form.closest("[data-of]").dataset.of;
    fields.append("part", "1");
    this.section.setAttribute("aria-busy", "true");
    let answer;
    try {
      answer = await fetch(form.getAttribute("action"), { method: "POST", body: fields });
      if (!answer.ok) {
        const told = answer.status === 409 ? await answer.text() : this.words.ended;
        this.say(`${this.words.refused} ${told}`, true);
        return;
      }
      this.replace(await answer.text());
    } catch {
      this.say(this.words.silent, true);
      return;
    } finally {
      this.section.removeAttribute("aria-busy");
    }
    this.say(`${this.words.recorded} ${name}${words}.`);
    this.hold(held, folded, panel);
    if (onward) this.step(1);
  }

  replace(html) {
    for (const drawing of this.drawings) {
      if (drawing.isOn()) drawing.stop();
      if (drawing.shown) drawing.viewer.seadragon.removeOverlay(drawing.element);
    }
    const open = this.holder.querySelector("details.scored[open]") !== null;
    this.drawings = [];
    this.holder.innerHTML = html;
    for (const details of this.holder.querySelectorAll("details.scored")) details.open ||= open;
    this.setUp();
    this.choose(this.chosen(), false);
  }

  // The keyboard's focus stays where it was, although the forms are new.
  hold(path, folded, image) {
    const panel = [...this.holder.querySelectorAll("[data-of]")].find((one) => one.dataset.of === image);
    if (folded) panel?.querySelector(`details.${folded.split(" ").join(".")} > summary`)?.focus();
    else if (path) (document.querySelector(path) ?? this.chosen().querySelector("button"))?.focus();
  }
}

function heightOf(viewer) {
  const size = viewer.seadragon.world.getItemAt(0).getContentSize();
  return size.y / size.x;
}

function place(viewer, [x, y, width, height], columns, rows) {
  const high = heightOf(viewer);
  return new OpenSeadragon.Rect(x / columns, (y / rows) * high, width / columns, (height / rows) * high);
}

function clamp(value, most) { return Math.min(most, Math.max(0, value)); }

function takesText(element) {
  if (element.isContentEditable || element.matches("textarea, select")) return true;
  return element.matches("input") && !["checkbox", "radio", "button", "submit"].includes(element.type);
}

function pathTo(button) {
  const row = button.closest(".answer-row");
  return row ? `.answer-row[data-subject="${row.dataset.subject}"] .choices button[value="${button.value}"]` : null;
}

const answers = document.getElementById("answers");
if (answers) new AnswerSection(answers);
