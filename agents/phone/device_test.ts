/** The device test before the shift: hear yourself, hear us, choose what rings, be told elsewhere. On the page `[data-devices]`. */

import { choose, chosen, devices, meter, microphone, MicrophoneFault, type Use } from "./devices.js";
import { askLeave, show } from "./notice.js";
import { playTest } from "./tones.js";
import { t } from "./words.js";

const USES: readonly Use[] = ["microphone", "speaker", "ringer"];

export class DeviceTest {
  #stop: (() => void) | null = null;

  /** The section comes and goes with the page around it. */
  watch(): void {
    const look = (): void => {
      const section = document.querySelector<HTMLElement>("[data-devices]:not([data-ready])");
      if (section) this.#prepare(section);
      else if (!document.querySelector("[data-devices]")) this.#silence();
    };
    document.addEventListener("htmx:afterSettle", look);
    navigator.mediaDevices?.addEventListener("devicechange", () => {
      const section = document.querySelector<HTMLElement>("[data-devices]");
      if (section) void this.#list(section);
    });
    look();
  }

  #prepare(section: HTMLElement): void {
    section.dataset["ready"] = "";
    for (const use of USES) {
      const select = section.querySelector<HTMLSelectElement>(`select[name=${use}]`)!;
      select.addEventListener("change", () => {
        choose(use, select.value);
        if (use === "microphone" && this.#stop) void this.#listen(section);
      });
    }
    section.addEventListener("click", (event) => {
      const what = (event.target as HTMLElement).closest<HTMLElement>("[data-test]")?.dataset["test"];
      if (what === "microphone") void (this.#stop ? this.#silence() : this.#listen(section));
      else if (what === "speaker" || what === "ringer") void this.#play(section, what);
      else if (what === "notification") void this.#notify(section);
    });
    void this.#list(section);
    if (!navigator.mediaDevices) this.#say(section, "microphone", "phone.fault.insecure", "bad");
  }

  async #list(section: HTMLElement): Promise<void> {
    for (const use of USES) {
      const select = section.querySelector<HTMLSelectElement>(`select[name=${use}]`)!;
      const found = await devices(use);
      const standard = new Option(t("phone.device.default"), "");
      const others = found.map(({ label, deviceId }, i) =>
        new Option(label || t("phone.device.unnamed", { number: i + 1 }), deviceId));
      select.replaceChildren(standard, ...others);
      select.value = found.some(({ deviceId }) => deviceId === chosen(use)) ? chosen(use) : "";
      if (use === "microphone" && navigator.mediaDevices && !found.length)
        this.#say(section, use, "phone.fault.none", "bad");
    }
  }

  async #listen(section: HTMLElement): Promise<void> {
    this.#silence();
    const bar = section.querySelector<HTMLMeterElement>("meter")!;
    try {
      const stream = await microphone();
      let heard = false;
      const stop = meter(stream, (level) => {
        bar.value = level;
        if (heard || level < 0.35) return;
        heard = true;
        this.#say(section, "microphone", "phone.device.heard", "calm");
      });
      this.#stop = () => {
        stop();
        for (const track of stream.getTracks()) track.stop();
        bar.value = 0;
      };
      this.#say(section, "microphone", "phone.device.speak", "calm");
      await this.#list(section);
    } catch (error) {
      const code = error instanceof MicrophoneFault ? error.code : "other";
      this.#say(section, "microphone", `phone.fault.${code}`, "bad");
    }
  }

  async #play(section: HTMLElement, use: "speaker" | "ringer"): Promise<void> {
    try {
      await playTest(use);
      this.#say(section, use, "phone.device.playing", "calm");
    } catch {
      this.#say(section, use, "phone.fault.silent", "bad");
    }
  }

  async #notify(section: HTMLElement): Promise<void> {
    const leave = await askLeave();
    if (leave === "granted") show(t("phone.says.ringing"), t("phone.device.notice_try"));
    this.#say(section, "notification", `phone.device.notice_${leave}`, leave === "granted" ? "calm" : "bad");
  }

  #say(section: HTMLElement, use: Use | "notification", key: string, tone: string): void {
    const place = section.querySelector<HTMLElement>(`[data-says=${use}]`)!;
    place.textContent = t(key);
    place.dataset["tone"] = tone;
  }

  #silence(): void {
    this.#stop?.();
    this.#stop = null;
  }
}
