// Strings of the audit log.
export const audit = {
  title: 'Audit',
  search: 'Search',
  searchHint: 'Search in users, actions and objects',
  action: 'Action',
  anyAction: 'All actions',
  user: 'User',
  anyUser: 'All users',
  download: 'Download CSV',
  columns: { when: 'When', user: 'User', action: 'Action', object: 'Object', host: 'Host', result: 'Result', address: 'From' },
  count: (shown: number, all: number) => `${shown} of ${all}`,
  more: 'Show older entries',
  none: 'No entry matches',
};
