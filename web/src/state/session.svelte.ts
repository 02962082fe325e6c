// The signed-in user. `phase` decides which of the four pages is shown.
import { ApiError, api, sentence, whenSignedOut, type Identity } from '../api/client';

export type Phase = 'loading' | 'out' | 'new-password' | 'in' | 'unreachable';
const RANK = { viewer: 0, operator: 1, admin: 2 };
export type Role = keyof typeof RANK;

class SessionState {
  phase = $state<Phase>('loading');
  user = $state.raw<Identity | null>(null);
  hasEnded = $state(false); // a session of this page has ended by itself
  error = $state('');

  // Buttons that the role does not permit are not shown; the server refuses them anyway.
  may(role: Role): boolean {
    return this.user !== null && RANK[this.user.role as Role] >= RANK[role];
  }

  async load(): Promise<void> {
    try {
      this.#enter((await api.get('/api/v2/auth/me')).user);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.#leave();
      else {
        this.error = sentence(error);
        if (this.phase === 'loading') this.phase = 'unreachable';
      }
    }
  }

  async signIn(username: string, password: string): Promise<void> {
    this.#enter((await api.post('/api/v2/auth/login', { body: { username, password } })).user);
  }

  async changePassword(current: string, chosen: string, keepKeys = false): Promise<void> {
    await api.post('/api/v2/auth/change-password', {
      body: { current_password: current, new_password: chosen, keep_api_keys: keepKeys },
    });
    await this.load();
  }

  async signOut(): Promise<void> {
    await api.post('/api/v2/auth/logout');
    this.#leave();
  }

  end(): void {
    this.hasEnded = this.phase === 'in' || this.hasEnded;
    this.#leave();
  }

  #enter(user: Identity): void {
    this.user = user;
    this.hasEnded = false;
    this.error = '';
    this.phase = user.must_change_password ? 'new-password' : 'in';
  }

  #leave(): void {
    this.user = null;
    this.phase = 'out';
  }
}

export const session = new SessionState();
whenSignedOut(() => session.end());
