// kill -9 of the agent around every act of an update and of a rollback.
import { killTests } from './lib/update-kills.mjs';

killTests('agent');
