// The page's side of the worker for pictures: one promise a picture.

import type { Asked, Told } from "./worker";

type Done = Extract<Told, { before: unknown }>;
type Job = {
  done: (told: Done) => void;
  failed: (error: Error) => void;
  progress: (share: number) => void;
};

const jobs = new Map<number, Job>();
let worker: Worker | undefined;
let next = 0;

/** Decodes a picture, and sharpens it in this browser if that is asked for. */
export function inWorker(
  asked: Omit<Asked, "id">,
  progress: (share: number) => void = () => undefined,
): Promise<Done> {
  const id = next++;
  return new Promise((done, failed) => {
    jobs.set(id, { done, failed, progress });
    (worker ??= started()).postMessage({ ...asked, id } satisfies Asked);
  });
}

function started(): Worker {
  const made = new Worker(new URL("./picture-worker.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data }: MessageEvent<Told>) => {
    const job = jobs.get(data.id);
    if (!job) return;
    if ("share" in data) return job.progress(data.share);
    jobs.delete(data.id);
    if ("error" in data) job.failed(new Error(data.error));
    else job.done(data);
  };
  // A worker that died, of memory say, answers nothing any more: another takes its place.
  made.onerror = (event) => {
    event.preventDefault();
    for (const job of jobs.values()) job.failed(new Error(event.message || "the worker stopped"));
    jobs.clear();
    made.terminate();
    worker = undefined;
  };
  return made;
}
