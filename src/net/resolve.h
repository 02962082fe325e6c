#pragma once

/*
 * Name resolution that does not block the loop: getaddrinfo() in a thread of its own for names, at
 * once for numeric addresses. `fn` runs exactly once, never from inside resolve_start(), unless
 * resolve_cancel() came first.
 *
 * The thread shares nothing with the loop but the lookup itself, which the last of the two frees: a
 * cancelled request is freed at once, and its thread ends when the resolver returns.
 */

#include "net/loop.h"
#include <netdb.h>

struct resolve;

/* `code` 0 or -ENOENT with `text` for humans. The list is the receiver's: freeaddrinfo(). */
typedef void (*resolve_fn)(void *owner, int code, const char *text, struct addrinfo *list);

int resolve_start(struct resolve **ret,
                  struct loop *loop,
                  const char *host,
                  resolve_fn fn,
                  void *owner) _nodiscard_;
void resolve_cancel(struct resolve *r);
DEFINE_CLEANUP(struct resolve *, resolve_cancel);

/* NULL when `host` is no numeric address; no waiting, no thread. */
struct addrinfo *resolve_numeric(const char *host);
