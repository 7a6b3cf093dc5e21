import assert from "node:assert/strict";
import { test } from "node:test";
import { rows } from "../src/card";
import { enlargesBy, modelFor, quickestLike, type Card, type Model } from "../src/catalogue";
import { named } from "../src/pictures/item";
import { query } from "../src/pictures/service";
import { isSoftware } from "../src/runners/runner";

function model(name: string, macs: number, card: Partial<Card> = {}): Model {
  const scale = card.scale ?? 2;
  const whole = { name, degradation: "bicubic", scale, grid: 2, color: "luma", parameters: 1 };
  return {
    ...{ name, version: "1", scale, channels: 16, convs: 3, receptive_radius: 7 },
    card: { ...whole, macs_per_pixel: macs, sha256: "0", receptive_radius: 7, ...card } as Card,
  };
}

const models = [
  model("nano-x2", 1),
  model("deep-small-x2", 3),
  model("small-x2-noisy", 3, { degradation: "noisy" }),
  model("nano-x3", 0.5, { scale: 3, grid: 3 }),
];

test("a result is named after its picture, with a suffix that fits", () => {
  assert.equal(named("holiday.tar.JPG", "image/jpeg"), "holiday.tar-sharp.jpg");
  assert.equal(named("scan", "image/png"), "scan-sharp.png");
  assert.equal(named("odd.xyz", "image/x-odd"), "odd-sharp.xyz");
});

test("the service is asked for what differs from doing nothing special", () => {
  assert.equal(query({ model: "auto", strength: 1, times: 1 }), "v1/sharpen?strength=1");
  assert.match(query({ model: "a&b", strength: 0.5, times: 2 }), /model=a%26b.*&upscale=2$/);
});

test("models are found by name, and quick ones are of the same scale", () => {
  assert.equal(modelFor(models, "nano-x3")?.name, "nano-x3");
  assert.equal(modelFor(models, "auto")?.name, "deep-small-x2");
  assert.equal(modelFor([models[0]!], "auto")?.name, "nano-x2");
  assert.equal(quickestLike(models, models[2]!).name, "nano-x2");
  assert.equal(quickestLike(models, models[0]!), models[0]);
});

test("only plain models enlarge", () => {
  assert.deepEqual(models.map(enlargesBy), [2, 2, 1, 3]);
});

test("a card without numbers says so", () => {
  assert.equal(Object.fromEntries(rows(models[0]!)).gain, "not measured");
  const val = { input: { psnr_y: 30 }, student_onnx: { psnr_y: 32.5 } };
  const gain = Object.fromEntries(rows(model("x", 1, { metrics: { val } }))).gain;
  assert.match(gain!, /^\+2\.50 dB/);
});

test("a graphics card that is the CPU is known by its name", () => {
  assert.ok(isSoftware("Google SwiftShader"));
  assert.ok(isSoftware("llvmpipe (LLVM 15)"));
  assert.ok(!isSoftware("NVIDIA GeForce RTX 4070"));
});
