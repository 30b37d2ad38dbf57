/** A word to somebody who looks elsewhere: the desktop notification of a ring, and the tab's title. */

const title = document.title;
let shown: Notification | null = null;

/** Whether this browser may show notifications; asks the person where that is still open. */
export async function askLeave(): Promise<"granted" | "denied" | "missing"> {
  if (!("Notification" in window)) return "missing";
  return (await Notification.requestPermission()) === "granted" ? "granted" : "denied";
}

/** Notifications stay in the system's list, for everybody who passes by: they never say who calls. */
export function show(head: string, text: string): void {
  shown = new Notification(head, { body: text, tag: "hotline-ring", requireInteraction: true });
  shown.onclick = () => {
    window.focus();
    shown?.close();
  };
}

export function announce(head: string, text: string): void {
  document.title = `● ${head}`;
  if (document.hidden && "Notification" in window && Notification.permission === "granted") show(head, text);
}

export function withdraw(): void {
  document.title = title;
  shown?.close();
  shown = null;
}
