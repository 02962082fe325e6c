#pragma once

/*
 * JSON text of the engine that json_scan_check() has accepted, in the form that every
 * parser reads (json_scan_mend()). It owns its bytes.
 */

#include "base/error.h"
#include "docker/json_scan.h"

struct checked_text {
    char *p;
    size_t n;
};

int checked_text_init(struct checked_text *ret, const char *text, size_t size, struct error *err)
    _nodiscard_;
void checked_text_done(struct checked_text *t);
static inline struct json_span checked_text_span(const struct checked_text *t)
{
    return (struct json_span){t->p, t->n};
}
