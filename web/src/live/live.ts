// The view "Live": camera, screen or a video file, sharpened while it plays.

import { addressesOf, modelFor, quickestLike, runnable, type Catalogue, type Model } from "../catalogue";
import { BACKENDS, NAMES, type Backend } from "../runners/runner";
import { convertFilm } from "../film/film";
import type { Level, State } from "./messages";
import { sharpenTrack, type Sharp } from "./track";

const FRAMES = 30; // a second, at most

export class Live {
  private readonly models: Model[];
  private readonly stage: HTMLElement;
  private readonly before: HTMLVideoElement;
  private readonly form: HTMLFormElement;
  private source: MediaStream | HTMLVideoElement | null = null;
  private sharp: Sharp | null = null;
  private film: File | null = null;
  private turn = 0;

  constructor(
    private readonly root: HTMLElement,
    all: Catalogue,
  ) {
    this.models = runnable(all.models);
    this.stage = this.find(".stage");
    this.before = this.find<HTMLVideoElement>("video.before");
    this.form = this.find<HTMLFormElement>("form");
    const select = this.find<HTMLSelectElement>("[name=model]");
    select.replaceChildren(...this.models.map(({ name }) => new Option(name)));
    select.value = modelFor(this.models, "nano-x2")?.name ?? "";
    this.on("camera", () => this.open(() => navigator.mediaDevices.getUserMedia({ video: true })));
    this.on("screen", () => this.open(() => navigator.mediaDevices.getDisplayMedia({ video: true })));
    this.on("stop", () => Promise.resolve(this.stop()));
    this.on("convert", () => this.convert());
    this.find<HTMLInputElement>("[name=film]").addEventListener("change", (event) => {
      const input = event.target as HTMLInputElement;
      const [file] = input.files ?? [];
      if (file) void this.openFilm(file);
      input.value = "";
    });
    this.find<HTMLInputElement>("[name=split]").addEventListener("input", () => this.split());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => this.changed(event.target as HTMLInputElement));
    this.split();
  }

  private find<T extends HTMLElement = HTMLElement>(selector: string): T {
    return this.root.querySelector(selector) as T;
  }

  private on(name: string, act: () => Promise<void>): void {
    this.find(`[name=${name}]`).addEventListener("click", () => {
      act().catch((error: unknown) => this.say(reason(error), true));
    });
  }

  private field(name: string): HTMLInputElement {
    return this.form.elements.namedItem(name) as HTMLInputElement;
  }

  private model(): Model {
    return modelFor(this.models, this.field("model").value)!;
  }

  private split(): void {
    const { value } = this.find<HTMLInputElement>("[name=split]");
    this.stage.style.setProperty("--split", `${value}%`);
  }

  private changed(field: HTMLInputElement): void {
    const strength = this.field("strength").value;
    this.find<HTMLOutputElement>("output[for=live-strength]").value = `${strength} %`;
    if (field.name === "strength") this.sharp?.strength(Number(strength) / 100);
    else if (this.source) void this.begin();
  }

  private async open(ask: () => Promise<MediaStream>): Promise<void> {
    if (!navigator.mediaDevices) throw new Error("The browser gives cameras to https pages alone");
    this.stop();
    const stream = await ask();
    this.source = stream;
    this.before.srcObject = stream;
    await this.before.play();
    stream.getVideoTracks()[0]!.addEventListener("ended", () => this.source === stream && this.stop());
    await this.begin();
  }

  private async openFilm(file: File): Promise<void> {
    this.stop();
    this.film = file;
    this.before.src = URL.createObjectURL(file);
    this.before.loop = true;
    this.source = this.before;
    this.find("[name=convert]").hidden = false;
    try {
      await this.before.play();
      await this.begin();
    } catch (error) {
      this.stop();
      this.say(`${file.name}: ${reason(error)}`, true);
    }
  }

  /** Starts to sharpen what is open, with what is chosen now. */
  private async begin(): Promise<void> {
    const turn = ++this.turn;
    this.sharp?.stop();
    this.sharp = null;
    const source = this.source;
    if (!source) return;
    this.say("Starting");
    const forced = this.field("backend").value as Backend | "";
    const adapts = this.field("adapt").checked;
    const sharp = await sharpenTrack(source instanceof MediaStream ? source.getVideoTracks()[0]! : source, {
      levels: adapts ? this.levels() : this.levels().slice(0, 1),
      order: forced ? [forced] : BACKENDS,
      strength: Number(this.field("strength").value) / 100,
      budget: adapts ? 1000 / FRAMES : Infinity,
      onState: (state) => turn === this.turn && this.tell(state),
      onError: (error) => turn === this.turn && this.fail(error),
    });
    if (turn !== this.turn) return sharp.stop();
    this.sharp = sharp;
    this.find(".after").replaceChildren(sharp.canvas ?? player(sharp.track!));
    this.running(true);
  }

  private levels(): Level[] {
    const model = this.model();
    const quick = quickestLike(this.models, model);
    const level = (one: Model, half: boolean): Level => ({
      name: one.name,
      addresses: addressesOf(one),
      channels: one.card.color === "rgb" ? 3 : 1,
      half,
    });
    const better = model === quick ? [] : [level(model, false)];
    return [...better, level(quick, false), level(quick, true)];
  }

  private tell(state: State): void {
    const kind = state.backend !== "wasm" && state.software ? ", in software" : "";
    const shown: Record<string, string> = {
      "runs on": `${NAMES[state.backend]} (${state.device}${kind})`,
      picture: `${state.width} × ${state.height}${state.half ? ", at half size" : ""}`,
      model: state.model,
      "frames a second": state.fps.toFixed(1),
      latency: `${state.latency.toFixed(0)} ms`,
    };
    const boxes = Object.entries(shown).map(([term, value]) => {
      const box = document.createElement("div");
      const [name, said] = [document.createElement("dt"), document.createElement("dd")];
      [name.textContent, said.textContent] = [term, value];
      box.append(name, said);
      return box;
    });
    const numbers = this.find("[data-numbers]");
    numbers.replaceChildren(...boxes);
    Object.assign(numbers.dataset, { backend: state.backend, frames: String(state.frames) });
    const failed = state.failed.length ? ` Not used: ${state.failed.join("; ")}.` : "";
    const lower = state.level > 0 ? " The quality stepped down to keep up." : "";
    this.say(`Sharpening on this device.${lower}${failed}`);
  }

  private fail(error: string): void {
    this.stop();
    this.say(`It cannot run here: ${error}`, true);
  }

  private stop(): void {
    this.turn++;
    this.sharp?.stop();
    this.sharp = null;
    if (this.source instanceof MediaStream) for (const track of this.source.getTracks()) track.stop();
    this.source = null;
    this.film = null;
    this.before.pause();
    if (this.before.src) URL.revokeObjectURL(this.before.src);
    this.before.srcObject = null;
    this.before.removeAttribute("src");
    this.find(".after").replaceChildren();
    this.find("[data-numbers]").replaceChildren();
    this.find("[name=convert]").hidden = true;
    this.running(false);
    this.say("");
  }

  private running(now: boolean): void {
    this.stage.classList.toggle("running", now);
    this.find<HTMLButtonElement>("[name=stop]").disabled = !now;
    this.find<HTMLInputElement>("[name=split]").disabled = !now;
  }

  private async convert(): Promise<void> {
    const { film } = this;
    if (!film) return;
    const model = this.model();
    this.stop(); // two at once would share the device
    const link = this.find<HTMLAnchorElement>("[data-film]");
    link.hidden = true;
    const strength = Number(this.field("strength").value) / 100;
    const made = await convertFilm(film, model, strength, (words) => this.say(words));
    if (link.href) URL.revokeObjectURL(link.href);
    Object.assign(link, { href: URL.createObjectURL(made.file), download: made.name, hidden: false });
    this.say(`${made.name} is ready: ${made.by}`);
    link.focus();
  }

  private say(words: string, wrong = false): void {
    const line = this.find("[role=status]");
    if (line.textContent === words) return; // a screen reader would say it twice
    line.textContent = words;
    line.classList.toggle("wrong", wrong);
  }
}

function player(track: MediaStreamTrack): HTMLVideoElement {
  const made = document.createElement("video");
  Object.assign(made, { muted: true, playsInline: true, autoplay: true });
  made.setAttribute("aria-label", "Sharpened");
  made.srcObject = new MediaStream([track]);
  return made;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
