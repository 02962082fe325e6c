// A client that leaves before its log begins leaves nothing behind in the server or the agent.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { Agent } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { LogSocket } from './lib/log-socket.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'viewer' });
const N_STREAMS = 128; // at a time, for one agent

test('clients that leave before the log has begun', async () => {
  const scripted = await ScriptedEngine.start();
  const c = scriptedContainer(1, { name: 'quiet' });
  const held = [];
  let holds = true;
  let open = 0;
  const description = JSON.stringify({ Id: c.Id, Config: { Tty: false }, State: { Running: true } });
  const describe = (res) => {
    res.writeHead(200, { 'Content-Type': 'application/json' });
    res.end(description);
  };
  scripted.containers.push(c);
  scripted.misbehave = (method, path) => {
    if (path.endsWith(`/${c.Id}/json`)) return (res) => (holds ? held.push(res) : describe(res));
    if (!path.endsWith('/logs')) return null;
    return (res) => {
      open++;
      res.on('close', () => open--);
      res.writeHead(200, { 'Content-Type': 'application/octet-stream' });
      res.flushHeaders();
    };
  };
  const agent = await Agent.start(world.server, scripted);
  const headers = { authorization: `Bearer ${world.client.key}` };
  try {
    const host = await eventually(async () => (await world.client.get('/api/hosts')).find((h) => h.name === 'scripted-host' && h.status === 'online'));
    await world.client.container('quiet');
    const url = `${world.server.url}/api/hosts/${host.id}/containers/quiet/logs?follow=true`;
    for (let round = 0; round < 3; round++) {
      const requests = [];
      holds = true;
      for (let i = 0; i < N_STREAMS / 2; i++) requests.push(http.get(url, { headers }).on('error', () => {}));
      await eventually(() => held.length >= N_STREAMS / 2);
      for (const r of requests) r.destroy();
      await world.client.get('/api/hosts'); // after the events of these containers
      holds = false;
      for (const res of held.splice(0)) describe(res);
    }
    await eventually(() => open === 0);
    const res = await new Promise((resolve, reject) => http.get(url, { headers }, resolve).on('error', reject));
    assert.equal(res.statusCode, 200);
    res.destroy();
    await eventually(() => open === 0);
  } finally {
    await agent.remove();
    await scripted.stop();
  }
});

test('the notes of an agent beside a log are limited', async () => {
  const agent = new HandAgent(world.server, { fields: { capabilities: { container_operations: true, log_stream: true } } });
  agent.containers.push(containerElement({ name: 'talker' }));
  await agent.connect(await world.server.token());
  await world.client.container('talker');
  const s = await LogSocket.open(world.server, world.client.key);
  s.subscribe(1, agent.hostId, 'talker');
  const start = await eventually(() => agent.commands.find((m) => m.type === 'log_stream' || m.command === 'log_stream'));
  const id = start.payload.stream_id;
  agent.event('log_data', { stream_id: id, action: 'started' });
  await s.message((m) => m.type === 'subscribed');
  const notes = Array.from({ length: 2000 }, (_, i) => [0, 1700000000000000000 + i * 1000000, `note ${i}`]);
  agent.event('log_data', { stream_id: id, action: 'lines', bytes: 2000 * 72, lines: notes });
  agent.event('log_data', { stream_id: id, action: 'lines', bytes: 70, lines: [[1, 1700000001000000000, 'a line']] });
  await s.has('a line');
  const n = s.messages.filter((m) => m.type === 'mark').length;
  assert.ok(n >= 100 && n < 1000, `${n} marks`);
  await s.close();
  await agent.close();
});

test('a log that is interrupted still finds the next container of its name', async () => {
  const agent = new HandAgent(world.server, { fields: { capabilities: { container_operations: true, log_stream: true } } });
  const first = containerElement({ name: 'moved' });
  const second = containerElement({ name: 'moved' });
  const starts = () => agent.commands.filter((m) => m.type === 'log_stream' && m.payload.action === 'start').map((m) => m.payload);
  const listed = async () => (await world.client.get('/api/containers')).filter((c) => c.host_id === agent.hostId).map((c) => c.id);
  const replace = async (containers, action, c) => {
    agent.containers = containers;
    agent.event('container_event', { container_id: c.Id, container_name: 'moved', image: 'i', action, timestamp: new Date().toISOString(), attributes: {} });
    await eventually(async () => (await listed()).length === containers.length);
  };

  agent.containers = [first];
  await agent.connect(await world.server.token());
  await world.client.container('moved');
  const s = await LogSocket.open(world.server, world.client.key);
  s.subscribe(1, agent.hostId, 'moved');
  const { stream_id: id } = await eventually(() => starts()[0]);
  agent.event('log_data', { stream_id: id, action: 'started' });
  await s.message((m) => m.type === 'subscribed');
  agent.event('log_data', { stream_id: id, action: 'error', error: 'the engine does not answer', error_type: 'docker_error', status: 0 });
  await s.message((m) => m.type === 'mark' && m.event === 'away');
  await replace([], 'destroy', first);
  await new Promise((done) => setTimeout(done, 6000)); // the source retries after 5 s, and misses the container
  await replace([second], 'start', second);
  const start = await eventually(() => starts()[1]);
  assert.equal(start.container_id, second.Id);
  agent.event('log_data', { stream_id: start.stream_id, action: 'started' });
  await s.message((m) => m.type === 'mark' && m.event === 'back');
  assert.deepEqual(s.messages.filter((m) => m.type === 'mark').map((m) => m.event), ['away', 'recreated', 'back']);
  await s.close();
  await agent.close();
});
