// The page: three views, of which the address after # says which one is seen.

import { cardOf, rows } from "./card";
import { readCatalogue, type Catalogue } from "./catalogue";
import { Live } from "./live/live";
import { Pictures } from "./pictures/pictures";
import "./pictures/viewer";

const VIEWS = ["pictures", "live", "models"];

function follow(): void {
  const wanted = location.hash.slice(1);
  const view = VIEWS.includes(wanted) ? wanted : VIEWS[0];
  for (const name of VIEWS) {
    document.getElementById(name)!.hidden = name !== view;
    const link = document.querySelector(`nav a[href="#${name}"]`)!;
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function listModels({ models }: Catalogue): void {
  const section = document.getElementById("models")!;
  const shown = section.querySelector("[data-card]")!;
  const lines = models.map((model) => {
    const said = Object.fromEntries(rows(model));
    const line = document.createElement("tr");
    const open = document.createElement("button");
    Object.assign(open, { type: "button", textContent: model.name });
    open.onclick = () => shown.replaceChildren(cardOf(model));
    const { card, scale } = model;
    const gain = said.gain?.replace(" PSNR on its validation photos", "") ?? "";
    const words = [card.degradation, `${scale}`, card.parameters, Math.round(card.macs_per_pixel), gain];
    for (const cell of [open, ...words.map(String)]) {
      const made = document.createElement("td");
      made.append(cell);
      line.append(made);
    }
    return line;
  });
  section.querySelector("tbody")!.replaceChildren(...lines);
}

async function start(): Promise<void> {
  if (new URLSearchParams(location.search).has("bench")) {
    document.querySelector("nav")!.hidden = true;
    document.getElementById("pictures")!.hidden = true;
    const { bench } = (await import(new URL("./bench.js", import.meta.url).href)) as typeof import("./bench");
    return bench(document.getElementById("bench")!, await readCatalogue());
  }
  addEventListener("hashchange", follow);
  follow();
  const all = await readCatalogue();
  new Pictures(document.getElementById("pictures")!, all);
  new Live(document.getElementById("live")!, all);
  listModels(all);
  document.body.dataset.ready = "";
}

start().catch((error: unknown) => {
  const words = error instanceof Error ? error.message : String(error);
  document.getElementById("trouble")!.textContent = `The page cannot start: ${words}`;
});
