/** The sounds we make ourselves: the ring and the speaker test, as WAV made on the spot. */

import { playOn } from "./devices.js";

const RATE = 16000;

/** One tone: seconds from its beginning → amplitude, -1 to 1. */
type Tone = (at: number) => number;

const sine = (hertz: number, at: number): number => Math.sin(2 * Math.PI * hertz * at);

/** Two soft strokes, then rest: heard across a room, bearable two hundred times a day. */
const bell: Tone = (at) => {
  const stroke = at < 0.45 ? at : at - 0.45;
  if (at > 1.3) return 0;
  return 0.35 * Math.exp(-4 * stroke) * (sine(660, stroke) + 0.5 * sine(880, stroke) + 0.2 * sine(1320, stroke));
};

/** What one hears in China while the other phone rings: 450 Hz, one second in five. */
const ringback: Tone = (at) => (at < 1 ? 0.15 * sine(450, at) : 0);

const test: Tone = (at) => 0.25 * Math.min(1, at * 20, (1.2 - at) * 20) * sine(at < 0.6 ? 440 : 660, at);

export interface Sound { tone: Tone; seconds: number; use: "speaker" | "ringer" }

export const BELL: Sound = { tone: bell, seconds: 3, use: "ringer" };
export const RINGBACK: Sound = { tone: ringback, seconds: 5, use: "speaker" };
const TESTS: Readonly<Record<Sound["use"], Sound>> = {
  speaker: { tone: test, seconds: 1.2, use: "speaker" },
  ringer: { tone: bell, seconds: 1.4, use: "ringer" },
};

/** 16-bit mono WAV of `seconds`. */
export function wav(tone: Tone, seconds: number): ArrayBuffer {
  const count = Math.round(RATE * seconds);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at: number, word: string): void => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * count, true);
  for (let i = 0; i < count; i++) view.setInt16(44 + 2 * i, 32767 * Math.max(-1, Math.min(1, tone(i / RATE))), true);
  return view.buffer;
}

function audio({ tone, seconds }: Sound): HTMLAudioElement {
  return new Audio(URL.createObjectURL(new Blob([wav(tone, seconds)], { type: "audio/wav" })));
}

/** A sound that goes on until stopped. */
export class Loop {
  readonly #audio: HTMLAudioElement;
  #wanted = false;

  constructor(private readonly sound: Sound) {
    this.#audio = audio(sound);
    this.#audio.loop = true;
  }

  /** Rejects where the browser wants a click on the page first; starting twice is starting once. */
  async start(): Promise<void> {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#audio.currentTime = 0;
    await playOn(this.sound.use, this.#audio, () => this.#wanted);
  }

  stop(): void {
    this.#wanted = false;
    this.#audio.pause();
  }
}

/** The test tone, once, on the device chosen for `use`. */
export function playTest(use: Sound["use"]): Promise<void> {
  return playOn(use, audio(TESTS[use]));
}
