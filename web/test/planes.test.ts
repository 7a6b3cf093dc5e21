import assert from "node:assert/strict";
import { test } from "node:test";
import { add, addTo, halved, layout, read } from "../src/runners/planes";

test("luma is BT.601, and what changes goes to red, green and blue alike", () => {
  const rgba = new Uint8ClampedArray([255, 0, 0, 255, 10, 250, 128, 255]);
  const before = new Float32Array(2);
  read(rgba, before, 1);
  assert.ok(Math.abs(before[0]! - 0.299) < 1e-6);
  const after = before.map((level) => level + 20 / 255);
  add(rgba, before, after, 1, 0.5);
  assert.deepEqual([...rgba], [255, 10, 10, 255, 20, 255, 138, 255]);
});

test("colour has three planes", () => {
  const rgba = new Uint8ClampedArray([255, 51, 0, 255, 0, 102, 204, 255]);
  const planes = new Float32Array(6);
  read(rgba, planes, 3);
  assert.deepEqual([...planes].map((level) => Math.round(level * 255)), [255, 0, 51, 102, 0, 204]);
  add(rgba, planes, planes, 3, 1);
  assert.deepEqual([...rgba], [255, 51, 0, 255, 0, 102, 204, 255]);
});

test("a plane of luma is rounded and stays in its range", () => {
  const luma = new Uint8Array([100, 250, 3, 77]);
  addTo(luma, new Float32Array(3), new Float32Array([0.5 / 255, 1, -1]), 1);
  assert.deepEqual([...luma], [101, 255, 0, 77]);
});

test("planes at half the size are means of four, odd sides and woven chroma too", () => {
  const planes = layout("I420", 5, 3);
  assert.deepEqual(planes.map(({ width, height }) => width * height), [15, 6, 6]);
  const bytes = Uint8Array.from({ length: 27 }, (_, at) => at);
  assert.deepEqual([...halved(bytes, planes)], [3, 5, 17, 23]);
  const woven = new Uint8Array([...Array(16).fill(8), 1, 9, 3, 11, 5, 13, 7, 15]);
  assert.deepEqual([...halved(woven, layout("NV12", 4, 4))], [8, 8, 8, 8, 4, 12]);
});
