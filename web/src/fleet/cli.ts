// Lines of the CLI that do what a button does.

// Words of a shell are quoted where they need it.
export const quoted = (word: string): string => (/^[\w./:@=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
export const dockmon = (...words: string[]): string => ['dockmon', ...words.map(quoted)].join(' ');
