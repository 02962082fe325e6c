#include "agent/join/credentials.h"
#include "agent/config/token.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/register.h"

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

/* The token of the file may be newer than PERMANENT_TOKEN; without a usable one there is none. */
static void load_other(struct credentials *c, const struct token_file *file)
{
    if (token_load(file, &c->other, NULL, NULL) == 0 && str_eq(c->other, c->permanent))
        wipe(&c->other);
}

/* A server that refuses one newer field refuses all of them: they are omitted together. */
static void drop_newer_fields(struct credentials *c)
{
    const char *field;

    strings_done(&c->dropped);
    for (size_t i = 0; (field = msg_register_newer_field(i)); i++)
        strings_add(&c->dropped, field);
}

void credentials_review_dropped(struct credentials *c)
{
    strings_done(&c->dropped);
    if (kept_era_is_seed(&c->era))
        drop_newer_fields(c);
}

int credentials_init(struct credentials *c, const struct config *config, struct error *err)
{
    const struct token_file file = config_token_file(config);
    bool is_sealed = false;
    int r = 0;

    *c = (struct credentials){.config = config, .permanent = xstrdup(config->permanent_token)};
    if (c->permanent) {
        load_other(c, &file);
    } else {
        r = token_load(&file, &c->permanent, &is_sealed, err);
    }
    if (c->permanent) {
        kept_engine_load(&c->engine, config->engine_id_path);
        kept_era_load(&c->era, config->era_path);
        credentials_review_dropped(c);
    } else {
        c->engine.path = config->engine_id_path;
        c->era.path = config->era_path;
    }
    if (r == 0 && !config->permanent_token && !is_sealed && file.key->is_set)
        seal_plain_token(c, &file);
    return r < 0 && (token_is_fatal(&file, r) || !config->registration_token) ? r : 0;
}

void credentials_done(struct credentials *c)
{
    wipe(&c->permanent);
    wipe(&c->other);
    kept_engine_done(&c->engine);
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

const char *credentials_engine_id(struct credentials *c, const char *present)
{
    return kept_engine_choose(&c->engine, present);
}

void credentials_attempt(const struct credentials *c, struct auth_attempt *ret)
{
    *ret = (struct auth_attempt){
        .with_permanent = !uses_registration(c),
        .has_other_token = c->other && !c->tries_other,
        .is_other_engine = c->engine.is_other,
        .has_registration = c->config->registration_token != NULL,
        .force_unique = c->config->force_unique,
        .dropped = &c->dropped,
    };
}

static void try_other_token(struct credentials *c)
{
    char *permanent = c->permanent;

    c->permanent = c->other;
    c->other = permanent;
    c->tries_other = true;
}

void credentials_apply(struct credentials *c, const struct auth_reply *reply)
{
    switch (reply->verdict) {
    case AUTH_DROP_FIELD:
        drop_newer_fields(c);
        kept_era_refuse(&c->era);
        break;
    case AUTH_USE_PRESENT_ENGINE: c->engine.tries_present = true; break;
    case AUTH_USE_OTHER_TOKEN: try_other_token(c); break;
    case AUTH_USE_REGISTRATION:
        c->tries_registration = true;
        kept_engine_refuse(&c->engine);
        break;
    case AUTH_ACCEPTED:
        c->tries_registration = c->tries_other = false;
        kept_engine_accept(&c->engine);
        if (c->dropped.n == 0)
            kept_era_accept(&c->era);
        break;
    case AUTH_REFUSED:
        c->tries_registration = c->tries_other = false;
        kept_engine_refuse(&c->engine);
        break;
    case AUTH_FAILED: break;
    }
}

static int check_issued(const char *token, struct error *err)
{
    if (token_is_valid(token))
        return 0;
    return error_set(err, -EBADMSG,
                     "the token from the server is invalid: expected " TOKEN_EXPECTED);
}

int credentials_keep(struct credentials *c, const char *token, struct error *err)
{
    int r;

    if (!str_is_empty(token) && !str_eq(token, c->permanent)) {
        r = check_issued(token, err);
        if (r < 0)
            return r;
        wipe(&c->permanent);
        wipe(&c->other);
        c->permanent = xstrdup(token);
        c->is_unsaved = true;
    }
    return credentials_save(c, err);
}

int credentials_save(struct credentials *c, struct error *err)
{
    const struct token_file file = config_token_file(c->config);
    int r, r_token = 0;

    r = kept_era_save(&c->era, err);
    if (r == 0)
        r = kept_engine_save(&c->engine, err);
    if (c->is_unsaved)
        r_token = token_save(&file, c->permanent, err); /* its failure is the more important one */
    if (r_token == 0)
        c->is_unsaved = false;
    return r_token < 0 ? r_token : r;
}

int credentials_rotate(struct credentials *c, const char *token, struct error *err)
{
    const struct token_file file = config_token_file(c->config);
    int r;

    if (str_eq(c->config->permanent_token, c->permanent)) {
        return error_set(
            err, -EBUSY,
            "the agent's token is set by PERMANENT_TOKEN; remove it from the agent's configuration");
    }
    r = token_save(&file, token, err);
    if (r < 0)
        return r;
    wipe(&c->permanent);
    c->permanent = xstrdup(token);
    c->is_unsaved = false;
    return 0;
}
