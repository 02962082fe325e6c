// A hand-made agent with the capability `updates`: it answers the commands about updates, and a test sends the records.
import { HandAgent } from './hand-agent.mjs';

export class JournalAgent extends HandAgent {
  constructor(...args) {
    super(...args);
    this.refusal = null; // members of the reply to each command about updates
    this.results = {}; // command -> payload of its reply
  }

  registration(token) {
    const r = super.registration(token);

    return { ...r, capabilities: { ...r.capabilities, updates: true, error_codes: true } };
  }

  onNamedCommand(message) {
    const p = message.payload;
    const reply = { type: 'response', id: message.id, timestamp: new Date().toISOString() };
    const results = {
      update_container: { status: 'update_started', update_id: p?.update_id },
      update_rollback: { status: 'rollback_started', update_id: p?.update_id },
      update_cancel: { status: 'cancelling', update_id: p?.update_id },
      ...this.results,
    };

    if (this.refusal && message.command.startsWith('update_')) this.send({ ...reply, ...this.refusal });
    else if (results[message.command]) this.send({ ...reply, payload: results[message.command] });
    else super.onNamedCommand(message);
  }

  // The record of the update that the command has asked for.
  record(order, more = {}) {
    const now = Date.now();

    return {
      update_id: order.payload.update_id, container_id: order.payload.container_id, container_name: 'web', image: 'nginx:1.27',
      new_image: order.payload.new_image ?? 'nginx:1.27', state: 'running', step: 'pull', step_at: now, started_at: now,
      is_rolling_back: false, probation_failed: false, downtime_ms: null, dependents: [], kept_volumes: [], ...more,
    };
  }

  journal(update) {
    this.event('update_journal', { update });
  }
}

export const previewOf = (element, more = {}) => ({
  container_id: element.Id, name: 'web', image: 'nginx:1.27', new_image: 'nginx:1.28', is_update: true,
  changes: [{ path: 'Config.Image', before: 'nginx:1.27', after: 'nginx:1.28' }], lost_paths: ['/tmp/x'], lost_paths_total: 1,
  notes: [], dependents: [], compose: null, refused: null, fingerprint: 'ab'.repeat(32), ...more,
});
