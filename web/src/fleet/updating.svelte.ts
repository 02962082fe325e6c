// Updates that the user has asked for: the dialog of the frame (parts/UpdateDialog.svelte) shows the container that was asked
// for here; rollback and cancel report their result.
import { api, sentence, type Container } from '../api/client';
import { updates, type Update } from '../live/updates.svelte';
import { notices } from '../parts/notices.svelte';
import { t } from '../text';

class Asked {
  container = $state.raw<Container | null>(null);
  rollback = $state.raw<Update | null>(null);
}
export const asked = new Asked();

const pathOf = (u: Update) => ({ host: u.host_id, container: u.container_name });

async function report(what: Promise<unknown>, said: string): Promise<boolean> {
  try {
    await what;
    notices.say(said);
    return true;
  } catch (error) {
    notices.say(sentence(error), 'bad');
    return false;
  } finally {
    updates.again();
  }
}

export const cancel = (u: Update): Promise<boolean> =>
  report(api.delete('/api/hosts/{host}/containers/{container}/update', { path: pathOf(u) }), t.updates.cancelling);

export const rollBack = (u: Update): Promise<boolean> =>
  report(api.post('/api/hosts/{host}/containers/{container}/update/rollback', { path: pathOf(u), query: { wait: true } }), t.updates.rolledBack(u.container_name));
