#include "base/alloc.h"
#include "server/auth/credentials.h"
#include "server/store/secret.h"

#include <errno.h>

static void on_checked(void *owner, int code, const struct identity *who);

static void check_one(struct credentials *c)
{
    struct auth_proof proof = credentials_proof(c);

    auth_check(c->auth, &proof, on_checked, c);
}

static void on_checked(void *owner, int code, const struct identity *who)
{
    struct credentials *c = owner;

    if (code != -ENOKEY || c->bearer || c->n_others == 0) {
        c->done(c->owner, code, who);
        return;
    }
    secret_free(c->session_id);
    c->session_id = c->others[--c->n_others];
    check_one(c);
}

void credentials_check(struct credentials *c, struct auth *auth, auth_identity_fn done, void *owner)
{
    c->auth = auth;
    c->done = done;
    c->owner = owner;
    check_one(c);
}
