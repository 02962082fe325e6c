// The language of the page. Another one is another file of this type, chosen here.
import { en } from './en';

export type Text = typeof en;
export const t: Text = en;
