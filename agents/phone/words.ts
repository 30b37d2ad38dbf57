/** The catalogue's words for the phone, from the page's data island. */

type Words = Readonly<Record<string, string>>;

let words: Words = {};

export function learn(island: Element | null): void {
  words = JSON.parse(island?.textContent ?? "{}") as Words;
}

/** The text of a key with {names} filled in; an unknown key shows itself. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** m:ss, or h:mm:ss. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
