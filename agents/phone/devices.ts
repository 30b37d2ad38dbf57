/** Microphone, speaker and ringing device: which one, whether it works, and what to do when it does not. */

export type Use = "microphone" | "speaker" | "ringer";

const KEY = "hotline.devices";
const KINDS: Readonly<Record<Use, MediaDeviceKind>> = {
  microphone: "audioinput",
  speaker: "audiooutput",
  ringer: "audiooutput",
};

/** Why there is no microphone; the words and the remedy are `phone.fault.<code>`. */
export class MicrophoneFault extends Error {
  constructor(readonly code: "insecure" | "denied" | "none" | "busy" | "other") {
    super(code);
  }
}

const FAULTS: Readonly<Record<string, MicrophoneFault["code"]>> = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** The device chosen for a use in this browser; "" is the system's default. */
export function chosen(use: Use): string {
  return (JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Record<Use, string>>)[use] ?? "";
}

export function choose(use: Use, id: string): void {
  const all = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Record<Use, string>>;
  localStorage.setItem(KEY, JSON.stringify({ ...all, [use]: id }));
}

export async function devices(use: Use): Promise<MediaDeviceInfo[]> {
  const all = await (navigator.mediaDevices?.enumerateDevices() ?? Promise.resolve([]));
  // Before the microphone is allowed the browser names no device: there is nothing to choose from yet.
  return all.filter(({ kind, deviceId }) => kind === KINDS[use] && deviceId !== "default" && deviceId !== "");
}

/** The chosen microphone, or the default one when the chosen one is unplugged. Throws MicrophoneFault. */
export async function microphone(): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw new MicrophoneFault("insecure");
  const id = chosen("microphone");
  const quality = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const audio = id ? { ...quality, deviceId: { ideal: id } } : quality;
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new MicrophoneFault(FAULTS[(error as DOMException).name] ?? "other");
  }
}

/**
 * Play `audio` on the chosen device; where the browser cannot choose or it is unplugged, on the default.
 * Changing the device takes a moment, after which it may no longer be `wanted`.
 */
export async function playOn(use: Use, audio: HTMLAudioElement, wanted = () => true): Promise<void> {
  await audio.setSinkId?.(chosen(use)).catch(() => {});
  if (wanted()) await audio.play();
}

/** The loudness of a stream, 0 to 1, told at each animation frame until the returned function is called. */
export function meter(stream: MediaStream, tell: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let frame = 0;
  const measure = (): void => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
    tell(Math.min(1, Math.max(0, 1 + Math.log10(power + 1e-12) / 5))); // -50 dBFS is empty, 0 dBFS full
    frame = requestAnimationFrame(measure);
  };
  measure();
  return () => {
    cancelAnimationFrame(frame);
    void context.close();
  };
}
