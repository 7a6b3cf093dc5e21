// A whole video file, sharpened in a worker.

import { addressesOf, type Model } from "../catalogue";
import { BACKENDS } from "../runners/runner";
import type { FilmAsked, FilmTold } from "./worker";

export interface Film {
  file: Blob;
  name: string;
  by: string;
}

/** Converts `film`; its sound stays as it is. `tell` gets how far it is. */
export function convertFilm(
  film: File,
  model: Model,
  strength: number,
  tell: (words: string) => void,
): Promise<Film> {
  const worker = new Worker(new URL("./film-worker.js", import.meta.url), { type: "module" });
  const stem = film.name.replace(/\.[^.]*$/, "");
  return new Promise<Film>((done, failed) => {
    worker.onerror = ({ message }) => failed(new Error(message || "the worker stopped"));
    worker.onmessage = ({ data }: MessageEvent<FilmTold>) => {
      if ("share" in data) tell(`Converting: ${Math.round(100 * data.share)} %`);
      else if ("error" in data) failed(new Error(data.error));
      else done({ file: data.file, name: `${stem}-sharp.${data.suffix}`, by: data.by });
    };
    worker.postMessage({
      film,
      strength,
      addresses: addressesOf(model),
      channels: model.card.color === "rgb" ? 3 : 1,
      order: BACKENDS,
    } satisfies FilmAsked);
  }).finally(() => worker.terminate());
}
