// <kd-viewer>: before and after in step, with a line between them that one drags.

import { bounded, fitting, visible, zoomed, type Part, type Size, type View } from "./view";
import type { Shown } from "./worker";

const STEP = 1.25;
const NEAR = 28; // pixels from the line where one takes hold of it
const BRIGHTER = 3; // times the difference is doubled

export class Viewer extends HTMLElement {
  private readonly canvas = document.createElement("canvas");
  private readonly slider = document.createElement("input");
  private readonly said = document.createElement("output");
  private original: Shown | null = null;
  private result: Shown | null = null;
  private view: View = { scale: 1, x: 0, y: 0 };
  private fits = true;
  private showsDifference = false;
  private waiting = 0;

  connectedCallback(): void {
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "No picture yet");
    Object.assign(this.slider, { type: "range", min: "0", max: "100", step: "0.5", value: "50" });
    this.slider.setAttribute("aria-label", "Share of the picture that is shown as it was");
    this.slider.addEventListener("input", () => this.redraw());
    const bar = document.createElement("div");
    bar.className = "zoom";
    bar.append(
      button("−", "Smaller", () => this.zoom(1 / STEP)),
      button("Fit", "All of the picture", () => this.fit()),
      button("1:1", "One pixel of the picture for one of the screen", () => this.actual()),
      button("+", "Larger", () => this.zoom(STEP)),
      this.said,
    );
    this.append(this.canvas, this.slider, bar);
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.followPointers();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  /** Shows `before`, and over its right part `after` where there is one; null clears. */
  show(before: Shown | null, after: Shown | null, name = ""): void {
    const changed = size(before).join() !== size(this.original).join();
    [this.original, this.result] = [before, after];
    const words = after ? `${name}: before on the left, after on the right` : name;
    this.canvas.setAttribute("aria-label", words || "No picture yet");
    this.slider.disabled = !after;
    if (changed) this.fit();
    this.redraw();
  }

  /** Whether the right part shows what was changed, eight times as strong. */
  set difference(shown: boolean) {
    this.showsDifference = shown;
    this.redraw();
  }

  private get picture(): Size {
    const [width, height] = size(this.original);
    return { width, height };
  }

  private fit(): void {
    this.fits = true;
    if (this.original) this.view = fitting(this.picture, this.canvas);
    this.redraw();
  }

  private actual(): void {
    this.zoom(this.unit() / this.view.scale);
  }

  /** The scale at which one pixel of the result is one of the screen. */
  private unit(): number {
    return this.original && this.result ? this.original.whole.width / this.result.whole.width : 1;
  }

  private zoom(factor: number, place?: [number, number]): void {
    if (!this.original) return;
    const middle = place ?? [this.canvas.width / 2, this.canvas.height / 2];
    const wanted = zoomed(this.view, factor, middle as [number, number], this.canvas);
    this.move(wanted);
  }

  private move(wanted: View): void {
    this.view = bounded(wanted, this.picture, this.canvas);
    this.fits = this.view.scale <= fitting(this.picture, this.canvas).scale;
    this.redraw();
  }

  private key(event: KeyboardEvent): void {
    const far = 60 / this.view.scale;
    const moves: Record<string, () => void> = {
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      "0": () => this.fit(),
      "1": () => this.actual(),
      ArrowLeft: () => this.move({ ...this.view, x: this.view.x - far }),
      ArrowRight: () => this.move({ ...this.view, x: this.view.x + far }),
      ArrowUp: () => this.move({ ...this.view, y: this.view.y - far }),
      ArrowDown: () => this.move({ ...this.view, y: this.view.y + far }),
    };
    const move = event.ctrlKey || event.metaKey ? undefined : moves[event.key];
    if (!move || !this.original) return;
    event.preventDefault();
    move();
  }

  private wheel(event: WheelEvent): void {
    if (!this.original) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 400), this.place(event));
  }

  private place({ clientX, clientY }: { clientX: number; clientY: number }): [number, number] {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return [(clientX - box.left) * ratio, (clientY - box.top) * ratio];
  }

  /** One pointer moves the line, or the picture where it is larger than the screen; two zoom. */
  private followPointers(): void {
    const held = new Map<number, [number, number]>();
    let line = false;
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      const place = this.place(event);
      held.set(event.pointerId, place);
      line = this.fits || Math.abs(place[0] - this.line()) < NEAR * devicePixelRatio;
      if (held.size === 1 && line) this.drag(place);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const from = held.get(event.pointerId);
      if (!from || !this.original) return;
      const place = this.place(event);
      held.set(event.pointerId, place);
      const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const [apart, was] = [place, from].map(([x, y]) => Math.hypot(x - other[0], y - other[1]));
        this.zoom(apart! / Math.max(was!, 1), other);
      } else if (line) this.drag(place);
      else {
        const [x, y] = [0, 1].map((axis) => (from[axis]! - place[axis]!) / this.view.scale);
        this.move({ ...this.view, x: this.view.x + x!, y: this.view.y + y! });
      }
    });
    for (const end of ["pointerup", "pointercancel"] as const)
      this.canvas.addEventListener(end, ({ pointerId }) => held.delete(pointerId));
  }

  private drag([x]: [number, number]): void {
    this.slider.value = String((100 * x) / this.canvas.width);
    this.redraw();
  }

  private line(): number {
    return Math.round((this.canvas.width * Number(this.slider.value)) / 100);
  }

  private resize(): void {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    this.canvas.width = Math.round(box.width * devicePixelRatio);
    this.canvas.height = Math.round(box.height * devicePixelRatio);
    if (this.fits) this.fit();
    else this.move(this.view);
  }

  private redraw(): void {
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const context = this.canvas.getContext("2d")!;
    const { width, height } = this.canvas;
    context.clearRect(0, 0, width, height);
    this.said.value = this.original ? `${Math.round((100 * this.view.scale) / this.unit())} %` : "";
    if (!this.original) return;
    const part = visible(this.view, this.picture, this.canvas);
    const times = this.result ? this.result.whole.width / this.original.whole.width : 1;
    // An enlarged picture is beside the small one as others would show that.
    context.imageSmoothingEnabled = this.view.scale < 1 || this.view.scale <= times - 1e-6;
    paint(context, this.original, part, this.view.scale);
    if (!this.result) return;
    const line = this.line();
    context.save();
    context.beginPath();
    context.rect(line, 0, width - line, height);
    context.clip();
    const larger = { ...part, from: part.from.map((place) => place * times) as Part["from"] };
    if (this.showsDifference) context.globalCompositeOperation = "difference";
    paint(context, this.result, larger, this.view.scale / times);
    context.globalCompositeOperation = "lighter";
    for (let round = 0; this.showsDifference && round < BRIGHTER; round++)
      context.drawImage(this.canvas, 0, 0);
    context.restore();
    const [, top, , high] = part.to;
    context.fillStyle = "#fff";
    context.fillRect(line - devicePixelRatio, top, 2 * devicePixelRatio, high);
    context.fillStyle = "#0008";
    context.fillRect(line + devicePixelRatio, top, devicePixelRatio, high);
  }
}

/** Draws a part, of the small picture where that has pixels enough. */
function paint(context: CanvasRenderingContext2D, shown: Shown, part: Part, scale: number): void {
  const { whole, small } = shown;
  const share = small.width / whole.width;
  const source = scale <= share && small !== whole ? small : whole;
  const ratio = source === small ? share : 1;
  const [left, top, wide, high] = part.from.map((place) => place * ratio) as Part["from"];
  context.drawImage(source, left, top, wide, high, ...part.to);
}

function size(shown: Shown | null): [number, number] {
  return shown ? [shown.whole.width, shown.whole.height] : [0, 0];
}

function button(text: string, label: string, act: () => void): HTMLButtonElement {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", textContent: text, title: label, onclick: act });
  made.setAttribute("aria-label", label);
  return made;
}

customElements.define("kd-viewer", Viewer);
