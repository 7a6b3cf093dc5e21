// The models, and where their files lie: beside a service, or beside the page on a plain host.

export interface Card {
  name: string;
  degradation: string;
  scale: number;
  grid: number;
  color: "luma" | "rgb";
  parameters: number;
  macs_per_pixel: number;
  sha256: string;
  receptive_radius: number;
  mixture?: object | null;
  metrics?: { val?: Record<string, { psnr_y?: number; ssim_y?: number } | undefined> };
}

export interface Model {
  name: string;
  version: string;
  scale: number;
  channels: number | null;
  convs: number | null;
  receptive_radius: number;
  card: Card;
}

/** Where the files of one model are, as whole addresses: workers have another base. */
export interface Addresses {
  webgl2: string;
  wgsl: string;
  onnx: string;
}

export interface Catalogue {
  models: Model[];
  /** What is chosen at first; `auto` lets the service look at the picture. */
  chosen: string;
  /** Whether a service answers `v1/sharpen`. */
  service: boolean;
}

export const PLAIN = "bicubic";

/** Reads the list of models; throws an error that says which file is missing. */
export async function readCatalogue(): Promise<Catalogue> {
  const service = !onPlainHost();
  const address = at(service ? "v1/models" : "models/index.json");
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} answers ${answer.status}`);
  const found = (await answer.json()) as { models: Listed[]; default?: string };
  const models = await Promise.all(found.models.map(withCard));
  const named = models.some(({ name }) => name === found.default);
  const chosen = named ? found.default! : service ? "auto" : (modelFor(models, "")?.name ?? "");
  return { models, chosen, service };
}

type Listed = Omit<Model, "card"> & { card: Card | string };

/** A list may hold the cards, or say where each one is. */
async function withCard(model: Listed): Promise<Model> {
  if (typeof model.card !== "string") return { ...model, card: model.card };
  const answer = await fetch(new URL(model.card, document.baseURI));
  if (!answer.ok) throw new Error(`${model.card} answers ${answer.status}`);
  return { ...model, card: (await answer.json()) as Card };
}

/** Those that run in a browser: kernels that follow from the picture do not. */
export function runnable(models: Model[]): Model[] {
  return models.filter(({ card }) => !card.mixture);
}

export function addressesOf(model: Model): Addresses {
  const name = encodeURIComponent(model.name);
  // A promoted model has the same name and another version: browsers keep modules by address.
  const fresh = `?version=${encodeURIComponent(model.version)}`;
  return onPlainHost()
    ? {
        webgl2: at(`models/${name}/webgl2.js${fresh}`),
        wgsl: at(`models/${name}/wgsl.js${fresh}`),
        onnx: at(`models/${name}/student.onnx${fresh}`),
      }
    : {
        webgl2: at(`v1/models/${name}/webgl2${fresh}`),
        wgsl: at(`v1/models/${name}/wgsl${fresh}`),
        onnx: at(`v1/models/${name}/onnx${fresh}`),
      };
}

/** By how much a model can enlarge, or 1: what `kdsharp export --upscale` takes. */
export function enlargesBy({ card }: Pick<Model, "card">): number {
  return card.degradation === PLAIN && card.scale === card.grid ? card.scale : 1;
}

/** The model of `wanted`, else the default one for plain enlarging, else the first. */
export function modelFor(models: Model[], wanted: string): Model | undefined {
  return (
    models.find(({ name }) => name === wanted) ??
    models.find(({ name }) => name === "deep-small-x2") ??
    models[0]
  );
}

/** The quickest that undoes the same as `model`. */
export function quickestLike(models: Model[], model: Model): Model {
  const alike = models.filter(({ scale }) => scale === model.scale);
  const plain = alike.filter(({ card }) => card.degradation === PLAIN);
  const cost = ({ card }: Model) => card.macs_per_pixel;
  return [model, ...plain].reduce((least, one) => (cost(one) < cost(least) ? one : least));
}

function onPlainHost(): boolean {
  return document.querySelector('meta[name="kdsharp"]')?.getAttribute("content") === "static";
}

function at(path: string): string {
  return new URL(path, document.baseURI).href;
}
