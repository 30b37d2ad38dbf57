/** A word to somebody who looks elsewhere: the desktop notification of a ring, and the tab's title. */

const title = document.title;
let shown: Notification | null = null;

export function askLeave(): void {
  if ("Notification" in window && Notification.permission === "default") void Notification.requestPermission();
}

export function announce(head: string, text: string): void {
  document.title = `● ${head}`;
  if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
  shown = new Notification(head, { body: text, tag: "hotline-ring", requireInteraction: true });
  shown.onclick = () => {
    window.focus();
    shown?.close();
  };
}

export function withdraw(): void {
  document.title = title;
  shown?.close();
  shown = null;
}
