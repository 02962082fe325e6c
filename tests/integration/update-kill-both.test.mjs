// kill -9 of the agent and of the engine at once, as when the machine fails, around four acts.
import { killTests } from './lib/update-kills.mjs';

killTests('both', { names: ['policy', 'set_aside', 'start', 'undo_name'] });
