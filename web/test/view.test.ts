import assert from "node:assert/strict";
import { test } from "node:test";
import { bounded, fitting, visible, zoomed } from "../src/pictures/view";

const picture = { width: 4000, height: 3000 };
const screen = { width: 800, height: 600 };

test("all of a large picture fits, and a small one is not blown up", () => {
  assert.deepEqual(fitting(picture, screen), { scale: 0.2, x: 2000, y: 1500 });
  assert.equal(fitting({ width: 40, height: 30 }, screen).scale, 1);
});

test("what is under the pointer stays there", () => {
  const place: [number, number] = [100, 450];
  const at = (view: { scale: number; x: number; y: number }) => [
    view.x + (place[0] - screen.width / 2) / view.scale,
    view.y + (place[1] - screen.height / 2) / view.scale,
  ];
  const before = fitting(picture, screen);
  const after = zoomed(before, 5, place, screen);
  assert.equal(after.scale, 1);
  for (const axis of [0, 1]) assert.ok(Math.abs(at(before)[axis]! - at(after)[axis]!) < 1e-9);
});

test("one cannot leave the picture, nor make it smaller than the screen", () => {
  assert.deepEqual(bounded({ scale: 1, x: -50, y: 9000 }, picture, screen), {
    ...{ scale: 1, x: 400, y: 2700 },
  });
  assert.deepEqual(bounded({ scale: 0.01, x: 0, y: 0 }, picture, screen), fitting(picture, screen));
});

test("whole pixels are drawn, each on as many of the screen", () => {
  const { from, to } = visible({ scale: 4, x: 1000.5, y: 1000.5 }, picture, screen);
  assert.deepEqual(from, [900, 925, 201, 151]);
  assert.equal(to[2], 4 * from[2]);
  assert.equal(to[0], Math.round(400 + (900 - 1000.5) * 4));
});
