// The agent's side of a recorded conversation (tests/replay/*.jsonl): it registers with a token of our server, sends
// again what the recorded agent sent by itself, and answers the commands of our server with the recorded replies.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './dockmon.mjs';
import { HandAgent } from './hand-agent.mjs';

const subject = (fields) => fields?.container_id ?? fields?.image_id ?? fields?.network_id ?? fields?.volume_name ?? fields?.name ?? '';
export const nameOf = (message) => (message.type === 'command' ? message.command : message.payload.action);

export function load(file) {
  const rows = readFileSync(join(ROOT, 'tests/replay', file), 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
  return rows.filter((r) => r.json);
}

// Each recorded command with its reply and the places of both among the rows: { message, reply, sent, at }.
export function pairs(rows) {
  const byId = new Map();

  rows.forEach(({ from, message }, at) => {
    const id = from === 'agent' && message.type !== 'event' && (message.correlation_id ?? message.id);
    if (id) byId.set(id, { reply: message, at });
  });
  return rows.flatMap(({ from, message }, sent) => (from === 'server' && byId.has(message.id) ? { message, sent, ...byId.get(message.id) } : []));
}

// Recorded times become times of this run, so that histories and retention treat them as new.
function moved(messages, to) {
  const begin = messages.map((m) => m.timestamp).find(Boolean);
  const shift = to - Date.parse(begin);
  const day = begin.slice(0, 10);
  const pattern = new RegExp(`${day}T\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z`, 'g');
  const later = (stamp, fraction = '') => `${new Date(Math.floor((Date.parse(stamp) + shift) / 1000) * 1000).toISOString().slice(0, 19)}${fraction}Z`;
  return messages.map((m) => JSON.parse(JSON.stringify(m).replace(pattern, later)));
}

export class ReplayAgent extends HandAgent {
  constructor(server, file, era) {
    super(server, { era });
    const rows = load(file);
    const messages = moved(rows.map((r) => r.json), Date.now() - 1000 * rows.at(-1).t);

    this.rows = rows.map((r, i) => ({ from: r.from, message: messages[i] }));
    this.register = this.rows.find((r) => r.message.type === 'register').message;
    this.replies = this.pair();
    this.lists = this.rows.filter((r) => Array.isArray(r.message.payload) && r.message.payload[0]?.Id).map((r) => r.message.payload);
    this.containers = this.lists[0];
  }

  registration(token) {
    return { ...this.register, token };
  }

  pair() {
    return pairs(this.rows).map(({ message, reply }) => ({ name: nameOf(message), subject: subject(message.payload), reply }));
  }

  // Sends the events and samples again; the list of the time is the one that is answered.
  play() {
    for (const { from, message } of this.rows) {
      if (from !== 'agent') continue;
      if (Array.isArray(message.payload) && message.payload[0]?.Id) this.containers = message.payload;
      else if (message.type === 'stats' || (message.type === 'event' && message.command !== 'shell_data')) this.send(message);
    }
  }

  // The newest reply to this command about the same object, else about any.
  find(message) {
    const wanted = subject(message.payload);
    const same = this.replies.filter((r) => r.name === nameOf(message));
    const fits = (r) => wanted && r.subject && (wanted.startsWith(r.subject) || r.subject.startsWith(wanted));

    return (same.findLast(fits) ?? same.at(-1))?.reply;
  }

  onCommand(message) {
    this.commands.push(message);
    if (message.type === 'shell_session') {
      this.onShell(message.payload);
      return;
    }
    const recorded = message.command === 'list_containers' ? { payload: this.containers, type: 'response' } : this.find(message);
    const unknown = message.type === 'command' ? 'unknown command' : 'unknown action';
    const reply = recorded ?? { error: `${unknown}: ${nameOf(message)}`, ...(message.type === 'command' ? { type: 'response' } : { success: false }) };

    if (reply.type === 'response') this.send({ ...reply, id: message.id });
    else this.send({ ...reply, correlation_id: message.id });
  }

  onShell(payload) {
    if (payload.action !== 'start') return;
    for (const { from, message } of this.rows) {
      if (from === 'agent' && message.command === 'shell_data')
        this.send({ ...message, payload: { ...message.payload, session_id: payload.session_id } });
    }
  }
}
