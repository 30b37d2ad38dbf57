/**
 * Keys for what is done a hundred times a day: `data-key="a"` on a button. The key alone works while
 * nothing is being typed, Alt with the key always does; function keys type nothing and always work.
 * A button in a closed panel has no key, unless it says `data-key-unseen`.
 */

function typing(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element) return false;
  return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
}

/** The button a key stands for now: visible, enabled, and reachable with what is held down. */
export function target(event: KeyboardEvent, root: ParentNode = document): HTMLButtonElement | null {
  if (event.isComposing || event.metaKey || event.repeat) return null;
  const save = event.ctrlKey && !event.altKey && event.key.toLowerCase() === "s";
  if (event.ctrlKey && !save) return null;
  const key = event.code.replace(/^(Key|Digit|Numpad)/, "").toLowerCase();
  const always = save || event.altKey || /^f\d+$/.test(key);
  for (const button of root.querySelectorAll<HTMLButtonElement>("button[data-key]")) {
    if (button.dataset["key"] !== key || button.disabled) continue;
    if (!button.checkVisibility() && !("keyUnseen" in button.dataset)) continue;
    if (always || !typing(event.target)) return button;
  }
  return null;
}

export function listen(): void {
  document.addEventListener("keydown", (event) => {
    const button = target(event);
    if (!button) return;
    event.preventDefault();
    button.click();
  });
}
