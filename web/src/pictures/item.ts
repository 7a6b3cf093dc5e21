// One picture of the list: its file, what came out last, and what that was made with.

import { addressesOf, enlargesBy, type Catalogue, modelFor, runnable } from "../catalogue";
import { BACKENDS } from "../runners/runner";
import { inWorker } from "./client";
import { sharpenThere } from "./service";
import type { Shown } from "./worker";

export interface Choice {
  model: string;
  strength: number;
  times: number;
  /** Whether this browser does the work, and not the service. */
  here: boolean;
}

export interface Result {
  file: Blob;
  name: string;
  /** What made it, in words. */
  by: string;
}

export class Item {
  result: Result | null = null;
  before: Shown | null = null;
  after: Shown | null = null;
  error = "";
  private made = "";
  private stop = new AbortController();

  constructor(
    readonly file: Blob,
    readonly name: string,
  ) {}

  /** Makes the result anew if the choice is another one; tells how far it is, in words. */
  async sharpen(choice: Choice, all: Catalogue, tell: (words: string) => void): Promise<void> {
    const wanted = JSON.stringify(choice);
    if (wanted === this.made && this.result) return this.after ? undefined : this.wake();
    this.stop.abort();
    const { signal } = (this.stop = new AbortController());
    this.made = wanted;
    this.error = "";
    try {
      await (choice.here ? this.byBrowser(choice, all, tell) : this.byService(choice, signal, tell));
    } catch (error) {
      if (signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
      this.result = null;
      this.before ??= await shown(this.file);
    }
  }

  /** Frees the pixels, which the file and the result can give back. */
  rest(): void {
    for (const shown of [this.before, this.after]) {
      shown?.whole.close();
      shown?.small.close();
    }
    [this.before, this.after] = [null, null];
  }

  private async wake(): Promise<void> {
    const found = await Promise.all([this.file, this.result!.file].map(shown));
    [this.before, this.after] = [found[0] ?? null, found[1] ?? null];
  }

  private async byService(
    { model, strength, times }: Choice,
    signal: AbortSignal,
    tell: (words: string) => void,
  ): Promise<void> {
    const begun = performance.now();
    tell("The service sharpens it");
    const answer = await sharpenThere(this.file, { model, strength, times }, signal);
    const took = Math.round(performance.now() - begun);
    const [before, after] = await Promise.all([this.file, answer.file].map(shown));
    const blind = before && after ? "" : "; this browser cannot show it";
    const route = answer.route && answer.route !== answer.model ? `, ${answer.route}` : "";
    const by = `${answer.model || "left as it is"}${route}, by the service in ${took} ms${blind}`;
    this.keep(before ?? null, after ?? null, answer.file, by);
  }

  private async byBrowser(
    { model: wanted, strength, times: asked }: Choice,
    { models }: Catalogue,
    tell: (words: string) => void,
  ): Promise<void> {
    const model = modelFor(runnable(models), wanted);
    if (!model) throw new Error("there is no model that a browser can run");
    const times = asked > 1 ? enlargesBy(model) : 1;
    const begun = performance.now();
    tell("This browser sharpens it");
    const done = await inWorker(
      {
        file: this.file,
        sharpen: {
          addresses: addressesOf(model),
          channels: model.card.color === "rgb" ? 3 : 1,
          radius: model.receptive_radius,
          grid: model.card.grid,
          times,
          strength,
          type: this.file.type,
          order: BACKENDS,
        },
      },
      (share) => tell(`This browser sharpens it: ${Math.round(100 * share)} %`),
    );
    const took = ((performance.now() - begun) / 1000).toFixed(1);
    this.keep(done.before, done.after!, done.file!, `${model.name}, in this browser (${done.ran}) in ${took} s`);
  }

  private keep(before: Shown | null, after: Shown | null, file: Blob, by: string): void {
    this.rest();
    [this.before, this.after] = [before, after];
    this.result = { file, by, name: named(this.name, file.type) };
  }
}

/** The pixels of a file, or null: the service reads more formats than browsers do. */
function shown(file: Blob): Promise<Shown | null> {
  return inWorker({ file }).then(
    ({ before }) => before,
    () => null,
  );
}

const SUFFIXES: Record<string, string> = {
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/webp": "webp",
  "image/tiff": "tif",
  "image/avif": "avif",
  "image/gif": "gif",
  "image/bmp": "bmp",
};

/** The name of the result of `name`, with a suffix that fits its type. */
export function named(name: string, type: string): string {
  const [, stem, suffix] = /^(.*?)(?:\.([^.]*))?$/.exec(name) as unknown as [string, string, string?];
  return `${stem || "picture"}-sharp.${SUFFIXES[type] ?? suffix ?? "png"}`;
}
