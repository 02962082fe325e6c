// prune, with docker's defaults and with everything, on an engine that the test starts.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Agent, Server, dockmon } from './lib/dockmon.mjs';
import { IMAGE, OwnEngine } from './lib/engine.mjs';
import { eventually } from './lib/wait.mjs';

const cleanup = [];

after(async () => {
  for (const end of cleanup.reverse()) await end();
});

const lines = (text) => text.split('\n').filter(Boolean).sort();
// A new image with a unique id.
const image = async (name, on) => {
  const id = await on.docker('create', '--network', 'none', '--name', `${on.prefix}-img-${Math.random().toString(36).slice(2)}`, IMAGE, 'true');
  const made = await on.docker('commit', '-m', Math.random().toString(), id, ...(name ? [name] : []));
  await on.docker('rm', id);
  return made.replace('sha256:', '').slice(0, 12);
};

test('prune removes unused objects and nothing else', async () => {
  const own = await OwnEngine.start();
  cleanup.push(() => own.remove());
  await own.ensureImage();
  const alone = await Server.start();
  cleanup.push(() => alone.remove());
  const operator = await alone.client('operator');
  const agent = await Agent.start(alone, own);
  cleanup.push(() => agent.remove());
  const { id } = await operator.onlineHost();
  const prune = (kind) => operator.post(`/api/hosts/${id}/${kind}/prune`);

  const used = await own.run('keeps', { args: ['-v', 'used-volume:/data'] });

  // As docker's verbs: only images without a name and anonymous volumes. A dry run comes first.
  const dangling = await image(undefined, own);
  const taken = await image(undefined, own);
  await own.docker('create', '--network', 'none', '--name', `${own.prefix}-taken`, taken, 'true');
  await image('few:1', own);
  await own.docker('volume', 'create', 'kept');
  const anonymous = await own.docker('volume', 'create');
  const pruneFew = (kind, more = '') => operator.post(`/api/hosts/${id}/${kind}/prune?all=false${more}`);
  const some = await pruneFew('images', '&dry_run=true');
  assert.deepEqual([some.removed_count, some.images_removed], [1, [dangling]]);
  const every = await operator.post(`/api/hosts/${id}/images/prune?dry_run=true`);
  assert.deepEqual([every.removed_count, every.images_removed.sort()], [2, [dangling, 'few:1'].sort()]);
  assert.deepEqual((await pruneFew('volumes', '&dry_run=true')).volumes_removed, [anonymous]);
  assert.deepEqual(
    (await operator.post(`/api/hosts/${id}/volumes/prune?dry_run=true`)).volumes_removed.sort(), [anonymous, 'kept'].sort());
  assert.ok(await own.docker('image', 'inspect', '--format', '{{.Id}}', dangling), 'nothing is removed yet');
  const say = async (...args) => (await dockmon(alone, operator.key, args)).stdout;
  assert.match(await say('volume', 'prune', '--dry-run'), new RegExp(`would be deleted:\n${anonymous}\n`));
  assert.match(await say('image', 'prune', '-f'), /Deleted Images: 1\n/);
  assert.equal((await own.docker('images', '-q', '--no-trunc')).includes(dangling), false);
  assert.equal((await own.docker('images', '-q', '--no-trunc')).includes(taken), true);
  assert.equal(await say('volume', 'prune', '-f'), `Deleted Volumes:\n${anonymous}\n`);
  assert.deepEqual(lines(await own.docker('volume', 'ls', '-q')), ['kept', 'used-volume']);
  assert.deepEqual(await pruneFew('volumes'), { removed_count: 0, space_reclaimed: 0, volumes_removed: [] });
  await own.docker('rm', `${own.prefix}-taken`);
  await own.docker('volume', 'rm', 'kept');

  await own.docker('network', 'create', 'dry-network');
  assert.deepEqual(
    await operator.post(`/api/hosts/${id}/networks/prune?dry_run=true`), { removed_count: 1, networks_removed: ['dry-network'] });
  await own.docker('network', 'rm', 'dry-network');
  const stopped = await own.run('stopped', { command: ['true'] });
  await eventually(async () => (await say('ps', '-a')).includes('Exited'));
  assert.equal(await say('container', 'prune', '--dry-run'), `Containers that would be deleted:\n${stopped.name}\n`);
  assert.equal(await say('container', 'prune', '-f'), `Deleted Containers:\n${stopped.name}\n`);
  assert.equal(await own.state(used.id), 'running');

  await image('unused:1', own);
  await own.docker('tag', 'unused:1', 'unused:2');
  await own.docker('volume', 'create', 'named');
  await own.docker('network', 'create', 'unused-network');
  const images = await prune('images');
  assert.equal(images.removed_count >= 1, true);
  assert.ok(images.space_reclaimed >= 0);
  assert.equal(lines(await own.docker('images', '--format', '{{.Repository}}:{{.Tag}}')).join(), IMAGE);
  assert.deepEqual(await prune('networks'), { removed_count: 1, networks_removed: ['unused-network'] });
  const volumes = await prune('volumes');
  assert.deepEqual({ ...volumes, space_reclaimed: 0 }, { removed_count: 1, space_reclaimed: 0, volumes_removed: ['named'] });
  assert.equal(await own.docker('volume', 'ls', '-q'), 'used-volume');
  assert.deepEqual(await prune('networks'), { removed_count: 0, networks_removed: [] });
  assert.deepEqual(await prune('volumes'), { removed_count: 0, space_reclaimed: 0, volumes_removed: [] });
  assert.deepEqual(await prune('images'), { removed_count: 0, space_reclaimed: 0 });
  assert.equal(await own.state(used.id), 'running');
});
