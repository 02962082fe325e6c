// Short messages after an action, at the edge of the screen and in the one polite live region of the page.
interface Notice {
  id: number;
  text: string;
  kind: 'ok' | 'bad';
}

const SHOWN_MS = { ok: 4000, bad: 10_000 };

class Notices {
  list = $state<Notice[]>([]);
  #id = 0;

  say(text: string, kind: Notice['kind'] = 'ok'): void {
    const id = ++this.#id;
    this.list.push({ id, text, kind });
    setTimeout(() => this.dismiss(id), SHOWN_MS[kind]);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((n) => n.id !== id);
  }
}

export const notices = new Notices();
