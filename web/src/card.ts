// A model's card as a short table.

import { addressesOf, type Model } from "./catalogue";

/** The numbers that tell a model: what it undoes, what it costs, and what it gained. */
export function cardOf(model: Model): HTMLElement {
  const table = document.createElement("dl");
  for (const [term, value] of rows(model)) {
    const [name, said] = [document.createElement("dt"), document.createElement("dd")];
    [name.textContent, said.textContent] = [term, value];
    table.append(name, said);
  }
  const file = document.createElement("a");
  Object.assign(file, { href: addressesOf(model).onnx, download: `${model.name}.onnx` });
  file.textContent = "student.onnx";
  const said = document.createElement("dd");
  said.append(file);
  const term = document.createElement("dt");
  term.textContent = "file";
  table.append(term, said);
  return table;
}

export function rows({ name, version, channels, convs, card }: Model): [string, string][] {
  const { input, student_onnx: student } = card.metrics?.val ?? {};
  const gain = (student?.psnr_y ?? NaN) - (input?.psnr_y ?? NaN);
  const convolutions = [convs && `${convs} convolutions`, channels && `${channels} channels`];
  return [
    ["model", name],
    ["version", version],
    ["undoes", `${card.degradation}, scale ${card.scale}`],
    ["network", [...convolutions.filter(Boolean), card.color].join(", ")],
    ["size", `${card.parameters.toLocaleString("en")} parameters`],
    ["cost", `${Math.round(card.macs_per_pixel).toLocaleString("en")} multiplications a pixel`],
    ["gain", Number.isNaN(gain) ? "not measured" : `${gain >= 0 ? "+" : ""}${gain.toFixed(2)} dB PSNR on its validation photos`],
    ["SHA-256", card.sha256],
  ];
}
