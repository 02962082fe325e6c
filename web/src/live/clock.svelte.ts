// The server's time, once a second while the page is visible. Ages and uptimes read it.
import { feed } from './feed.svelte';

class Clock {
  #local = $state(Date.now());
  isVisible = $state(document.visibilityState === 'visible');

  constructor() {
    setInterval(() => {
      if (this.isVisible) this.#local = Date.now();
    }, 1000);
    document.addEventListener('visibilitychange', () => {
      this.isVisible = document.visibilityState === 'visible';
      this.#local = Date.now();
    });
  }

  // Of the server, in ms.
  get now(): number {
    return this.#local + feed.clockOffset;
  }
  get local(): number {
    return this.#local;
  }
}

export const clock = new Clock();
