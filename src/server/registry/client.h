#pragma once

/*
 * Client of registries (the distribution specification). Blocks: a request is the input and the
 * output of one job, and shares nothing with other threads.
 *
 *     HEAD manifest --401--> token by the challenge, or Basic --> HEAD again
 *                   --refused, or no digest--> one GET, whose digest is computed
 *
 * Credentials go to the registry that they belong to. A token server on another host gets them only
 * if it is the `token_host` of the registry, or Docker Hub's own. Tokens are kept by the caller for
 * the scope of the repository.
 */

#include "base/error.h"
#include "server/registry/reference.h"
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum registry_security {
    REGISTRY_VERIFIED,        /* TLS with a certificate that is checked */
    REGISTRY_ANY_CERTIFICATE, /* TLS without that */
    REGISTRY_PLAIN,           /* HTTP */
};

/* How a registry is reached. Texts are owned; NULL: none. */
struct registry_access {
    char *domain;
    char *username, *password; /* secret */
    char *token_host;
    char *ca_pem;
    enum registry_security security;
    bool is_known; /* an administrator has added the registry: it may be on this machine */
};

void registry_access_done(struct registry_access *a); /* wipes the password */

enum registry_outcome {
    REGISTRY_ANSWERED,
    REGISTRY_UNCHANGED, /* the entity tag still holds: the caller's digest is good */
    REGISTRY_NOT_FOUND,
    REGISTRY_DENIED,
    REGISTRY_LIMITED,     /* 429 */
    REGISTRY_UNREACHABLE, /* no answer, or 5xx */
    REGISTRY_INVALID,     /* an answer against the specification, or a wrong digest */
};

enum registry_work {
    REGISTRY_ASK_DIGEST,    /* `digest` and `etag` of the reference's tag */
    REGISTRY_ASK_PLATFORMS, /* `platforms` of the digest `wanted_digest` */
    REGISTRY_ASK_TAGS,      /* `tags` of the repository */
};

struct registry_request {
    /* Input */
    enum registry_work work;
    struct registry_access access;
    struct reference reference;
    char *known_etag;         /* or NULL */
    char *wanted_digest;      /* for REGISTRY_ASK_PLATFORMS */
    json_t *wanted_platforms; /* array of names: their manifests are read, too; or NULL */
    uint64_t timeout_ms;      /* of each exchange */
    const atomic_bool *is_cancelled;
    /* Both */
    char *token; /* secret; NULL: none */
    int64_t token_until_ms;
    /* Output */
    enum registry_outcome outcome;
    struct error err; /* of all outcomes but the first two */
    char *digest, *etag;
    json_t *platforms;                  /* see manifest.h */
    json_t *tags;                       /* array of texts */
    int64_t limit, remaining, window_s; /* -1: not announced */
    int64_t retry_after_s;              /* 0: not announced */
};

/* Does the work. `now_ms` is UTC. */
void registry_request_run(struct registry_request *q, int64_t now_ms);
void registry_request_done(struct registry_request *q); /* frees all members, wipes secrets */
