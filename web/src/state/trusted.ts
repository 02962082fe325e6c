// The policy of the server permits scripts only by trusted types. The one script that is not loaded by a tag is the
// worker of this page: a file of this server.
interface Policy {
  createScriptURL: (text: string) => string;
}
declare global {
  interface Window {
    trustedTypes?: { createPolicy: (name: string, rules: Policy) => Policy };
  }
}

const policy = window.trustedTypes?.createPolicy('dockmon', {
  createScriptURL: (text) => {
    if (new URL(text).origin !== location.origin) throw new TypeError(`no script of this server: ${text}`);
    return text;
  },
});

export const trustedScriptUrl = (text: string): string => (policy ? policy.createScriptURL(text) : text);
