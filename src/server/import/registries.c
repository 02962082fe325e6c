/* Credentials of registries, which change from the seal of DockMon to ours. */

#include "server/store/registries.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/import/import.h"
#include "server/registry/reference.h"
#include "server/registry/vault.h"
#include "server/store/secret.h"

#include <errno.h>
#include <string.h>

#define MAX_URL 1024 /* bytes */

/* Returns the password, to be freed with secret_free(), or NULL with the reason in *why. */
static char *open_password(const struct import *im, const struct foreign_row *row, const char **why)
{
    _cleanup_free_ char *token = foreign_row_text(row, "password_encrypted", FERNET_MAX_TOKEN);
    char *password;

    *why = "the password is missing, or not sealed as DockMon seals it";
    if (!token || !fernet_is_token(token))
        return NULL;
    *why = "the password is sealed: give --encryption-key";
    if (!im->key)
        return NULL;
    *why = "the encryption key does not open the password";
    password = fernet_open(im->key, token);
    if (!password || strlen(password) <= REGISTRY_MAX_PASSWORD)
        return password;
    *why = "the password is too long";
    secret_free(password);
    return NULL;
}

static int add_registry(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_free_ char *url = foreign_row_text(row, "registry_url", MAX_URL);
    _cleanup_(secret_freep) char *password = NULL;
    _cleanup_(registry_done) struct registry r = {0};
    struct import *im = arg;
    const char *why;
    int64_t id;

    r.domain = url ? reference_domain(url) : NULL;
    r.username = foreign_row_text(row, "username", REGISTRY_MAX_USERNAME);
    if (!r.domain || str_is_empty(r.username)) {
        import_refuse(im, IMPORT_REGISTRIES, url, "its address or its user is missing or invalid");
        return 0;
    }
    password = open_password(im, row, &why);
    if (!password) {
        import_refuse(im, IMPORT_REGISTRIES, r.domain, why);
        return 0;
    }
    r.sealed = vault_seal(im->vault, r.domain, password);
    r.security = xstrdup("verified");
    r.created_at_ms = r.updated_at_ms = im->now_ms;
    return import_note(im, IMPORT_REGISTRIES, r.domain, registries_create(im->to, &r, &id, err),
                       err);
}

int import_registries(struct import *im, struct error *err)
{
    static const struct foreign_query registries = {
        "registry_credentials", "SELECT * FROM main.registry_credentials ORDER BY id",
        REGISTRIES_MAX};

    return import_read_table(im, &registries, IMPORT_REGISTRIES, add_registry, im, err);
}
