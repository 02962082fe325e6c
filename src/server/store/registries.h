#pragma once

/*
 * Table registries: how registries are reached, and the credentials for them. Only this module names
 * the table. The password is sealed (registry/vault.h) before it comes here.
 */

#include "server/store/store.h"
#include <stdint.h>

#define REGISTRIES_MAX        200
#define REGISTRY_MAX_USERNAME 255
#define REGISTRY_MAX_PASSWORD 4096 /* bytes; tokens of some registries are long */
#define REGISTRY_MAX_CA       65536

struct registry {
    int64_t id;
    char *domain; /* in normal form, see registry/reference.h */
    char *username, *sealed;
    char *token_host, *ca_pem;
    char *security; /* "verified", "any_certificate" or "plain" */
    char *webhook_hash;
    int64_t created_at_ms, updated_at_ms;
};

void registry_done(struct registry *r);

/* -EEXIST: there is one for the domain; -EBUSY: there are REGISTRIES_MAX. */
int registries_create(struct db *s, const struct registry *spec, int64_t *ret_id, struct error *err)
    _nodiscard_;
/* Replaces all members but domain and creation. -ENOENT. */
int registries_update(struct db *s, const struct registry *spec, struct error *err) _nodiscard_;
int registries_get(struct db *s, int64_t id, struct registry *ret, struct error *err) _nodiscard_;
int registries_delete(struct db *s, int64_t id, struct error *err) _nodiscard_;
/* Ordered by domain; the row is borrowed for the call. */
typedef void (*registry_fn)(void *arg, const struct registry *r);
int registries_each(struct db *s, registry_fn fn, void *arg, struct error *err) _nodiscard_;
