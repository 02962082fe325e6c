#include "agent/join/credentials.h"
#include "agent/config/token.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void wipe(char **secret)
{
    token_free(*secret);
    *secret = NULL;
}

/* Seals a token that was stored before there was a key. A failure is only logged. */
static void seal_plain_token(const struct credentials *c, const struct token_file *file)
{
    struct error err = ERROR_INIT;

    if (token_save(file, c->permanent, &err) < 0) {
        log_error(LOG_FIELDS("path", file->path), "cannot seal the permanent token: %s", err.msg);
    } else {
        log_info(LOG_FIELDS("path", file->path, "key", file->key->source),
                 "the permanent token is sealed now");
    }
}

int credentials_init(struct credentials *c, const struct config *config, struct error *err)
{
    const struct token_file file = config_token_file(config);
    bool is_sealed = false;
    int r = 0;

    *c = (struct credentials){.config = config, .permanent = xstrdup(config->permanent_token)};
    if (c->permanent)
        return 0;
    r = token_load(&file, &c->permanent, &is_sealed, err);
    if (r == 0 && !is_sealed && file.key->is_set)
        seal_plain_token(c, &file);
    return r < 0 && (token_is_fatal(&file, r) || !config->registration_token) ? r : 0;
}

void credentials_done(struct credentials *c)
{
    wipe(&c->permanent);
    strings_done(&c->dropped);
}

static bool uses_registration(const struct credentials *c)
{
    return !c->permanent || (c->tries_registration && c->config->registration_token);
}

const char *credentials_token(const struct credentials *c)
{
    return uses_registration(c) ? c->config->registration_token : c->permanent;
}

void credentials_attempt(const struct credentials *c, struct auth_attempt *ret)
{
    *ret = (struct auth_attempt){
        .with_permanent = !uses_registration(c),
        .has_registration = c->config->registration_token != NULL,
        .force_unique = c->config->force_unique,
        .dropped = &c->dropped,
    };
}

void credentials_apply(struct credentials *c, const struct auth_reply *reply)
{
    switch (reply->verdict) {
    case AUTH_DROP_FIELD: strings_add(&c->dropped, reply->field); break;
    case AUTH_USE_REGISTRATION: c->tries_registration = true; break;
    case AUTH_ACCEPTED:
    case AUTH_REFUSED: c->tries_registration = false; break;
    case AUTH_FAILED: break;
    }
}

int credentials_keep(struct credentials *c, const char *token, struct error *err)
{
    const struct token_file file = config_token_file(c->config);

    if (str_is_empty(token) || str_eq(token, c->permanent))
        return 0;
    if (!token_is_valid(token)) {
        return error_set(err, -EBADMSG,
                         "the token from the server is invalid: expected " TOKEN_EXPECTED);
    }

    wipe(&c->permanent);
    c->permanent = xstrdup(token);
    return token_save(&file, token, err);
}

int credentials_rotate(struct credentials *c, const char *token, struct error *err)
{
    const struct token_file file = config_token_file(c->config);
    int r;

    if (c->config->permanent_token) {
        return error_set(
            err, -EBUSY,
            "the agent's token is set by PERMANENT_TOKEN; remove it from the agent's configuration");
    }
    r = token_save(&file, token, err);
    if (r < 0)
        return r;
    wipe(&c->permanent);
    c->permanent = xstrdup(token);
    return 0;
}

void credentials_forget_dropped(struct credentials *c)
{
    strings_done(&c->dropped);
}
