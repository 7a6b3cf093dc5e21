// Which part of a picture is seen, and how large: numbers alone, without a canvas.

export interface Size {
  width: number;
  height: number;
}

export interface View {
  /** Pixels of the screen for one of the picture. */
  scale: number;
  /** The place of the picture in the middle of the screen. */
  x: number;
  y: number;
}

const LARGEST = 32;

/** All of the picture, in the middle; a small one no larger than it is. */
export function fitting(picture: Size, screen: Size): View {
  const scale = Math.min(screen.width / picture.width, screen.height / picture.height, 1);
  return { scale, x: picture.width / 2, y: picture.height / 2 };
}

/** `factor` times as large, with what is at `place` of the screen staying there. */
export function zoomed(view: View, factor: number, place: [number, number], screen: Size): View {
  const scale = Math.min(Math.max(view.scale * factor, 1e-3), LARGEST);
  const [right, down] = [place[0] - screen.width / 2, place[1] - screen.height / 2];
  return {
    scale,
    x: view.x + right / view.scale - right / scale,
    y: view.y + down / view.scale - down / scale,
  };
}

/** Inside the picture, and no smaller than where all of it is seen. */
export function bounded(view: View, picture: Size, screen: Size): View {
  const scale = Math.max(view.scale, fitting(picture, screen).scale);
  const clamp = (middle: number, side: number, seen: number) => {
    const half = Math.min(seen / scale, side) / 2;
    return Math.min(Math.max(middle, half), side - half);
  };
  return {
    scale,
    x: clamp(view.x, picture.width, screen.width),
    y: clamp(view.y, picture.height, screen.height),
  };
}

export interface Part {
  /** Of the picture: left, top, width, height. */
  from: [number, number, number, number];
  /** Of the screen. */
  to: [number, number, number, number];
}

/** What of the picture is on the screen, and where there, on whole pixels of both. */
export function visible(view: View, picture: Size, screen: Size): Part {
  const along = (middle: number, side: number, seen: number) => {
    const first = Math.max(Math.floor(middle - seen / 2 / view.scale), 0);
    const last = Math.min(Math.ceil(middle + seen / 2 / view.scale), side);
    const place = Math.round(seen / 2 + (first - middle) * view.scale);
    return [first, last - first, place, Math.round((last - first) * view.scale)] as const;
  };
  const [left, wide, to, across] = along(view.x, picture.width, screen.width);
  const [top, high, down, along_] = along(view.y, picture.height, screen.height);
  return { from: [left, top, wide, high], to: [to, down, across, along_] };
}
