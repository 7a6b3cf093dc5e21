import assert from "node:assert/strict";
import { test } from "node:test";
import { Meter } from "../src/live/meter";
import { Pace } from "../src/live/pace";

function after(pace: Pace, frames: number, took: number): number {
  for (let frame = 0; frame < frames; frame++) pace.note(took);
  return pace.level;
}

test("slow frames step down, one level at a time, and not below the last", () => {
  const pace = new Pace(3, 33);
  assert.equal(after(pace, 9, 100), 0);
  assert.equal(after(pace, 1, 100), 1);
  assert.equal(after(pace, 3, 2000), 2);
  assert.equal(after(pace, 100, 100), 2);
});

test("one slow frame changes nothing", () => {
  const pace = new Pace(2, 33);
  after(pace, 50, 20);
  assert.equal(after(pace, 1, 80), 0);
  assert.equal(after(pace, 50, 20), 0);
});

test("quick frames step up with care, and later after a step that was a mistake", () => {
  const pace = new Pace(2, 33);
  after(pace, 12, 100);
  assert.equal(pace.level, 1);
  assert.equal(after(pace, 130, 5), 1);
  assert.equal(after(pace, 40, 5), 0);
  assert.equal(after(pace, 12, 100), 1);
  assert.equal(after(pace, 200, 5), 1);
  assert.equal(after(pace, 200, 5), 0);
});

test("without a budget nothing ever steps down", () => {
  assert.equal(after(new Pace(3, Infinity), 1000, 1e4), 0);
});

test("the meter tells of the last moments alone", () => {
  const meter = new Meter();
  for (let frame = 0; frame < 100; frame++) meter.note(frame * 100, 500);
  for (let frame = 0; frame < 100; frame++) meter.note(10_000 + frame * 40, 20 + (frame % 3));
  const { fps, latency } = meter.read(14_000);
  assert.ok(Math.abs(fps - 25) < 0.01);
  assert.equal(latency, 21);
  assert.equal(meter.count, 200);
  assert.equal(meter.read(99_000).fps, 0);
});
