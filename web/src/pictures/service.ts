// What the service answers: a picture in, a picture out, and which model it took.

export interface Request {
  model: string;
  strength: number;
  times: number;
}

export interface Answer {
  file: Blob;
  model: string;
  version: string;
  route: string;
}

/** Sends `file` to the service; throws what the service says where it refuses. */
export async function sharpenThere(
  file: Blob,
  request: Request,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await fetch(new URL(query(request), document.baseURI), {
    method: "POST",
    body: file,
    headers: { "Content-Type": file.type || "application/octet-stream" },
    signal,
  });
  if (!answer.ok) throw new Error(await reason(answer));
  const header = (name: string) => answer.headers.get(`X-Kdsharp-${name}`) ?? "";
  return {
    file: await answer.blob(),
    model: header("Model"),
    version: header("Version"),
    route: header("Route"),
  };
}

export function query({ model, strength, times }: Request): string {
  const asked = new URLSearchParams({ strength: String(strength) });
  if (model !== "auto") asked.set("model", model); // else the service's own choice
  if (times > 1) asked.set("upscale", String(times));
  return `v1/sharpen?${asked}`;
}

async function reason(answer: Response): Promise<string> {
  const text = await answer.text();
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === "string") return error;
  } catch {
    // Not the service's own words: a proxy's page, say.
  }
  return `the service answers ${answer.status}`;
}
