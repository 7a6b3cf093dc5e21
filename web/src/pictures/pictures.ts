// The view "Pictures": files come in, one of them is shown, and its result goes out.

import { enlargesBy, modelFor, type Catalogue, type Model } from "../catalogue";
import { cardOf } from "../card";
import { Item, type Choice } from "./item";
import type { Viewer } from "./viewer";

const WAIT = 250; // ms after the last change of a setting

export class Pictures {
  private readonly items: Item[] = [];
  private current: Item | null = null;
  private timer = 0;
  private readonly viewer: Viewer;
  private readonly form: HTMLFormElement;

  constructor(
    private readonly root: HTMLElement,
    private readonly all: Catalogue,
  ) {
    this.viewer = root.querySelector("kd-viewer") as Viewer;
    this.form = root.querySelector("form")!;
    this.offerModels();
    this.form.addEventListener("input", () => this.changed());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.field("difference").addEventListener("input", () => {
      this.viewer.difference = this.field("difference").checked;
    });
    this.find<HTMLInputElement>("[name=files]").addEventListener("change", (event) => {
      const input = event.target as HTMLInputElement;
      this.add([...(input.files ?? [])]);
      input.value = "";
    });
    this.find("[name=all]").addEventListener("click", () => void this.downloadAll());
    this.find("[name=remove]").addEventListener("click", () => this.remove());
    this.takeDropsAndPastes();
    this.changed();
  }

  /** Adds files to the list, and shows the first of them. */
  add(files: readonly (Blob & { name?: string })[]): void {
    const pictures = files.filter(({ type }) => type === "" || type.startsWith("image/"));
    if (files.length && !pictures.length) return this.say("That is no picture", true);
    const made = pictures.map((file) => new Item(file, file.name ?? "pasted.png"));
    this.items.push(...made);
    this.list();
    if (made[0]) void this.show(made[0]);
  }

  private find<T extends HTMLElement = HTMLElement>(selector: string): T {
    return this.root.querySelector(selector) as T;
  }

  private field(name: string): HTMLInputElement {
    return this.form.elements.namedItem(name) as HTMLInputElement;
  }

  private offerModels(): void {
    const select = this.find<HTMLSelectElement>("[name=model]");
    const here = this.field("here");
    here.checked = !this.all.service;
    here.closest("label")!.hidden = !this.all.service;
    const names = this.all.models.map(({ name }) => name);
    select.replaceChildren(
      ...(this.all.chosen === "auto" ? [new Option("by the picture", "auto")] : []),
      ...names.map((name) => new Option(name)),
    );
    select.value = this.all.chosen;
  }

  private choice(): Choice {
    return {
      model: this.field("model").value,
      strength: Number(this.field("strength").value) / 100,
      times: Number(this.field("times").value),
      here: this.field("here").checked,
    };
  }

  /** The model whose card is shown: of `auto` the one that this browser would take. */
  private model(): Model | undefined {
    const { model } = this.choice();
    return model === "auto" && !this.choice().here ? undefined : modelFor(this.all.models, model);
  }

  private changed(): void {
    const { here } = this.choice();
    this.find<HTMLOutputElement>("output[for=strength]").value = `${this.field("strength").value} %`;
    const model = this.model();
    const select = this.find<HTMLSelectElement>("[name=times]");
    const most = model ? enlargesBy(model) : 0;
    for (const option of select.options)
      option.disabled = option.value !== "1" && model !== undefined && Number(option.value) !== most;
    if (select.selectedOptions[0]?.disabled) select.value = "1";
    this.find("[data-card]").replaceChildren(...(model ? [cardOf(model)] : [document.createTextNode(
      "The service looks at each picture and takes the model that helps it most; one that is sharp is left as it is.",
    )]));
    this.find("[data-where]").textContent = here
      ? "Nothing leaves this device."
      : "The picture goes to the service of this page, which keeps nothing.";
    clearTimeout(this.timer);
    if (this.current) this.timer = window.setTimeout(() => void this.show(this.current!), WAIT);
  }

  private async show(item: Item): Promise<void> {
    const other = this.current !== item;
    if (other) {
      this.current?.rest();
      this.current = item;
      this.list();
      this.viewer.show(null, null);
    }
    this.root.classList.add("filled");
    this.root.setAttribute("aria-busy", "true");
    await item.sharpen(this.choice(), this.all, (words) => this.current === item && this.say(words));
    if (this.current !== item) return item.rest();
    this.root.removeAttribute("aria-busy");
    this.viewer.show(item.before, item.error ? null : item.after, item.name);
    this.say(item.error || `${item.name}: ${item.result?.by ?? ""}`, Boolean(item.error));
    this.offerDownload(item);
  }

  private offerDownload(item: Item): void {
    const link = this.find<HTMLAnchorElement>("[data-download]");
    if (link.href) URL.revokeObjectURL(link.href);
    if (item.result) {
      link.href = URL.createObjectURL(item.result.file);
      link.download = item.result.name;
    } else link.removeAttribute("href");
  }

  private async downloadAll(): Promise<void> {
    for (const item of [...this.items]) {
      if (!item.result) {
        await item.sharpen(this.choice(), this.all, (words) => this.say(`${item.name}: ${words}`));
        if (item !== this.current) item.rest();
      }
      if (!item.result) continue;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(item.result.file);
      link.download = item.result.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    }
    this.say("All pictures were downloaded");
  }

  private remove(): void {
    if (!this.current) return;
    const at = this.items.indexOf(this.current);
    this.items.splice(at, 1);
    this.current.rest();
    this.current = null;
    this.viewer.show(null, null);
    this.list();
    const next = this.items[Math.min(at, this.items.length - 1)];
    if (next) void this.show(next);
    else {
      this.root.classList.remove("filled");
      this.say("");
      this.find("[name=files]").focus();
    }
  }

  private list(): void {
    const buttons = this.items.map((item) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = item.name;
      made.setAttribute("aria-pressed", String(item === this.current));
      made.onclick = () => void this.show(item);
      return made;
    });
    this.find("[data-list]").replaceChildren(...(buttons.length > 1 ? buttons : []));
    this.find("[name=all]").hidden = buttons.length < 2;
  }

  private say(words: string, wrong = false): void {
    const line = this.find("[role=status]");
    line.textContent = words;
    line.classList.toggle("wrong", wrong);
  }

  private takeDropsAndPastes(): void {
    const shown = (event: DragEvent, over: boolean) => {
      event.preventDefault();
      document.body.classList.toggle("dropping", over && !this.root.hidden);
    };
    document.addEventListener("dragover", (event) => shown(event, true));
    document.addEventListener("dragleave", (event) => event.relatedTarget || shown(event, false));
    document.addEventListener("drop", (event) => {
      shown(event, false);
      if (!this.root.hidden) this.add([...(event.dataTransfer?.files ?? [])]);
    });
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length && !this.root.hidden) this.add(files);
    });
  }
}
