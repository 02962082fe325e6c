#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/registry/checker_internal.h"
#include "server/store/secret.h"

#include <stdlib.h>

static enum registry_security parse_security(const char *text)
{
    return str_eq(text, "plain")             ? REGISTRY_PLAIN
           : str_eq(text, "any_certificate") ? REGISTRY_ANY_CERTIFICATE
                                             : REGISTRY_VERIFIED;
}

struct peer *checker_peer(struct checker *c, const char *domain)
{
    struct peer *p = map_find(&c->peers, domain);

    if (p)
        return p;
    p = xcalloc(1, sizeof(*p));
    p->domain = xstrdup(domain);
    p->access.domain = xstrdup(domain);
    list_init(&p->queue);
    (void)map_put(&c->peers, domain, p);
    return p;
}

void checker_forget_tokens(struct peer *p)
{
    map_foreach(&p->tokens, e) {
        struct peer_token *t = e->value;

        secret_free(t->text);
        free(t);
    }
    map_done(&p->tokens);
    p->tokens = (struct map){0};
}

void checker_peer_free(struct peer *p)
{
    checker_forget_tokens(p);
    registry_access_done(&p->access);
    free(p->domain);
    free(p->why_rests);
    free(p->webhook_hash);
    free(p);
}

/* The registry is reached in another way now: old tokens and rests do not count. */
static void reset(struct peer *p)
{
    checker_forget_tokens(p);
    free(TAKE_PTR(p->why_rests));
    p->rests_until_ms = 0;
    free(TAKE_PTR(p->webhook_hash));
    registry_access_done(&p->access);
    p->access.domain = xstrdup(p->domain);
}

void checker_put_registry(struct checker *c, const struct registry *row)
{
    struct peer *p = checker_peer(c, row->domain);
    struct error err = ERROR_INIT;

    reset(p);
    p->access.is_known = true;
    p->access.security = parse_security(row->security);
    p->access.username = xstrdup(row->username);
    p->access.token_host = xstrdup(row->token_host);
    p->access.ca_pem = xstrdup(row->ca_pem);
    p->webhook_hash = xstrdup(row->webhook_hash);
    if (row->sealed &&
        vault_unseal(&c->vault, row->domain, row->sealed, &p->access.password, &err) < 0)
        log_warn(LOG_FIELDS("registry", row->domain), "no credentials: %s", err.msg);
}

void checker_drop_registry(struct checker *c, const char *domain)
{
    struct peer *p = map_find(&c->peers, domain);

    if (p)
        reset(p);
}

char *checker_seal(const struct checker *c, const char *domain, const char *password)
{
    return vault_seal(&c->vault, domain, password);
}

const char *checker_find_webhook(const struct checker *c, const char *secret)
{
    char hash[SECRET_HASH_SIZE];

    secret_hash(secret, hash);
    map_foreach(&c->peers, e) {
        const struct peer *p = e->value;

        if (p->webhook_hash && str_eq_secret(p->webhook_hash, hash))
            return p->domain;
    }
    return NULL;
}

json_t *checker_credentials(const struct checker *c, const char *image)
{
    struct reference r = {0};
    const struct peer *p;

    if (!image || reference_parse(image, &r, NULL) < 0)
        return NULL;
    p = r.domain ? map_find(&c->peers, r.domain) : NULL;
    reference_done(&r);
    if (!p || !p->access.username || !p->access.password)
        return NULL;
    return json_pack("{s:o, s:o, s:o}", "username", json_text_str(p->access.username), "password",
                     json_text_str(p->access.password), "serveraddress",
                     json_text_str(str_eq(p->domain, REFERENCE_HUB) ? "https://index.docker.io/v1/"
                                                                    : p->domain));
}
