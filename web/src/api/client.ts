// The REST API. Paths, parameters, bodies and answers are typed by src/api/schema.d.ts, which the build generates from
// docs/api/openapi.json: a route that does not exist does not compile.
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type Container = Schemas['Container'];
export type Host = Schemas['Host'];
export type Identity = Schemas['Identity'];
export type Session = Schemas['Session'];

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type With<M extends Method> = { [P in keyof paths]: paths[P][M] extends object ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
type Parameters<O> = O extends { parameters: infer A } ? A : Record<string, never>;
type Part<A, K extends string> = A extends { [_ in K]?: infer V } ? NonNullable<V> : never;
type Body<O> = O extends { requestBody?: { content: { 'application/json': infer B } } } ? B : never;
type Answers<O> = O extends { responses: infer R } ? R : never;
type Json<R> = R extends { content: { 'application/json': infer B } } ? B : never;
type Answer<O> = Json<Answers<O>[keyof Answers<O> & (200 | 201 | 202)]>;

export interface Options<O> {
  path?: Part<Parameters<O>, 'path'>;
  query?: Partial<Part<Parameters<O>, 'query'>>;
  body?: Body<O>;
  signal?: AbortSignal;
}

// A refusal of the server, or its absence: status 0.
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

// Calls after an answer of 401 to a request that was made with a session.
let on401: () => void = () => {};
export function whenSignedOut(f: () => void): void {
  on401 = f;
}

// The URL below the base path of the page.
export function url(path: string): URL {
  return new URL(path.replace(/^\//, ''), document.baseURI);
}

function fill(path: string, values: Record<string, unknown> = {}, query: Record<string, unknown> = {}): URL {
  const to = url(path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values[name]))));
  for (const [name, value] of Object.entries(query)) if (value !== undefined) to.searchParams.set(name, String(value));
  return to;
}

async function failure(r: Response): Promise<ApiError> {
  const text = await r.text().catch(() => '');
  try {
    const body = JSON.parse(text) as { detail?: unknown; code?: unknown };
    if (typeof body.detail === 'string') return new ApiError(r.status, String(body.code ?? ''), body.detail);
  } catch {
    // An answer of a proxy is no JSON.
  }
  return new ApiError(r.status, '', `The server answered ${r.status} ${r.statusText}`.trim());
}

async function call(method: Method, path: string, o: Options<never> = {}): Promise<unknown> {
  let r: Response;
  try {
    r = await fetch(fill(path, o.path, o.query), {
      method: method.toUpperCase(),
      credentials: 'same-origin',
      ...(o.body === undefined ? {} : { body: JSON.stringify(o.body), headers: { 'content-type': 'application/json' } }),
      ...(o.signal ? { signal: o.signal } : {}),
    });
  } catch (error) {
    if (o.signal?.aborted) throw error;
    throw new ApiError(0, 'unreachable', 'The server does not answer. Check that it runs and that this device is online.');
  }
  if (!r.ok) {
    const error = await failure(r);
    if (r.status === 401 && path !== '/api/v2/auth/login') on401();
    throw error;
  }
  return r.status === 204 ? undefined : r.json();
}

const verb =
  <M extends Method>(method: M) =>
  <P extends With<M>>(path: P, options?: Options<Operation<P, M>>): Promise<Answer<Operation<P, M>>> =>
    call(method, path, options as Options<never>) as Promise<Answer<Operation<P, M>>>;

export const api = { get: verb('get'), post: verb('post'), put: verb('put'), patch: verb('patch'), delete: verb('delete') };

// The sentence to show for anything that was thrown.
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
