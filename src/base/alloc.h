#pragma once

/*
 * Allocation that cannot fail: out of memory, or a size that overflows, ends the process
 * (docs/adr/0002). The callers limit all memory that a peer can cause them to allocate.
 */

#include "base/macros.h"
#include <stddef.h>

void *xmalloc(size_t size) _nodiscard_;
void *xcalloc(size_t n, size_t size) _nodiscard_;
void *xrealloc(void *p, size_t n, size_t size) _nodiscard_;
void *xmemdup(const void *p, size_t size) _nodiscard_;
char *xstrdup(const char *s) _nodiscard_; /* NULL gives NULL */
char *xstrndup(const char *s, size_t max) _nodiscard_;
char *xasprintf(const char *fmt, ...) _nodiscard_ _printf_(1, 2);
