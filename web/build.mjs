// Builds the page into kdsharp/serve/page, or with --out into another folder; --tests the tests.
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const common = { bundle: true, format: "esm", target: "es2022", logLevel: "warning" };

if (process.argv.includes("--tests")) {
  await rm(join(here, ".built"), { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: (await files(join(here, "test"))).filter((file) => file.endsWith(".test.ts")),
    outdir: join(here, ".built"),
    platform: "node",
    outExtension: { ".js": ".mjs" },
  });
} else {
  const at = process.argv.indexOf("--out");
  await page(at > 0 ? process.argv[at + 1] : join(here, "..", "kdsharp", "serve", "page"));
}

async function page(out) {
  const assets = join(out, "assets");
  await rm(out, { recursive: true, force: true });
  await mkdir(join(assets, "ort"), { recursive: true });
  await build({
    ...common,
    entryPoints: {
      page: join(here, "src/page.ts"),
      bench: join(here, "src/bench.ts"),
      track: join(here, "src/live/track.ts"),
      "live-worker": join(here, "src/live/worker.ts"),
      "picture-worker": join(here, "src/pictures/worker.ts"),
      "film-worker": join(here, "src/film/worker.ts"),
    },
    outdir: assets,
    minify: true,
    legalComments: "none",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  for (const name of ["style.css", "icon.svg"]) await cp(join(here, "src", name), join(assets, name));
  await cp(join(here, "src/index.html"), join(out, "index.html"));
  // ONNX Runtime stays as its makers built it, and is loaded only where nothing else runs.
  const runtime = join(here, "node_modules/onnxruntime-web/dist");
  for (const name of ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"])
    await cp(join(runtime, name), join(assets, "ort", name));
  await writeFile(join(assets, "LICENCES.txt"), await licences());
  await writeFile(join(out, "sources.json"), `${JSON.stringify({ sha256: await digest() })}\n`);
}

/** The texts of the licences of what is built in; one package leaves its own out. */
async function licences() {
  const texts = {
    mediabunny: join(here, "node_modules/mediabunny/LICENSE"),
    "onnxruntime-web": join(here, "licences/onnxruntime-web.txt"),
  };
  const parts = [];
  for (const [name, text] of Object.entries(texts)) {
    const { version, license, homepage } = JSON.parse(
      await readFile(join(here, "node_modules", name, "package.json"), "utf8"),
    );
    const where = homepage ? `, ${homepage}` : "";
    parts.push(`${name} ${version}, ${license}${where}\n\n${await readFile(text, "utf8")}`);
  }
  return parts.join("\n");
}

/** Of all that the page is built from: a test tells by it, without npm, whether the page is stale. */
async function digest() {
  const names = ["build.mjs", "package.json", "package-lock.json"].map((name) => join(here, name));
  const hash = createHash("sha256");
  for (const file of [...names, ...(await files(join(here, "src")))]) {
    hash.update(`${relative(here, file).replaceAll("\\", "/")}\n`);
    hash.update(await readFile(file));
  }
  return hash.digest("hex");
}

async function files(folder) {
  const found = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await files(path)));
    else found.push(path);
  }
  return found.sort();
}
