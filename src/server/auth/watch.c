#include "server/auth/watch.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/auth/auth_internal.h"

#include <errno.h>

#define SWEEP_PERIOD_MS 30000

/*
 * Only one check is in progress at a time, so that a thousand open feeds do not fill the store's
 * queue. Watches checked in the current sweep are moved behind the others.
 */
struct auth_watch {
    struct list link;
    struct auth *auth; /* NULL: auth was freed */
    char key[IDENTITY_KEY_SIZE];
    char *peer;
    struct identity who;
    uint64_t sweep; /* the last sweep that checked it */
    auth_watch_fn ended;
    void *owner;
};

static const char *find_fault(const struct auth_watch *w, int code, const struct identity *now)
{
    if (code == -EACCES)
        return "This API key may not be used from this address";
    if (code == -ENOKEY)
        return "Invalid or expired session";
    if (code < 0) /* busy: the next sweep decides */
        return NULL;
    if (now->must_change_password && !w->who.must_change_password)
        return AUTH_MUST_CHANGE;
    if (now->role != w->who.role || !scope_equal(&now->scope, &w->who.scope))
        return "Your rights have changed: connect again";
    return NULL;
}

static void sweep(struct auth *a);

static void on_checked(void *owner, int code, const struct identity *who)
{
    struct auth *a = owner;
    struct auth_watch *w = TAKE_PTR(a->watch_checked);
    const char *why = w ? find_fault(w, code, who) : NULL; /* NULL: cancelled in the meantime */

    a->is_watch_checking = false;
    if (why) {
        list_unlink(&w->link);
        w->ended(w->owner, why); /* may cancel any watch */
    }
    sweep(a);
}

/* A cached identity is reported before auth_check_key() returns; then the loop below continues. */
static void sweep(struct auth *a)
{
    if (a->is_sweeping)
        return;
    a->is_sweeping = true;
    while (!a->is_watch_checking && !list_empty(&a->watches)) {
        struct auth_watch *w = CONTAINER_OF(a->watches.next, struct auth_watch, link);

        if (w->sweep == a->watch_sweep)
            break;
        w->sweep = a->watch_sweep;
        list_unlink(&w->link);
        list_append(&a->watches, &w->link);
        a->watch_checked = w;
        a->is_watch_checking = true;
        auth_check_key(a, w->key, &(struct auth_proof){.peer = w->peer}, on_checked, a);
    }
    a->is_sweeping = false;
}

void auth_watches_sweep(struct auth *a)
{
    a->watch_sweep++;
    sweep(a);
}

static void on_timer(struct loop_timer *t)
{
    struct auth *a = CONTAINER_OF(t, struct auth, watch_timer);

    auth_watches_sweep(a);
    loop_timer_start(a->o.loop, t, SWEEP_PERIOD_MS, on_timer);
}

void auth_watches_init(struct auth *a)
{
    list_init(&a->watches);
    if (a->o.loop)
        loop_timer_start(a->o.loop, &a->watch_timer, SWEEP_PERIOD_MS, on_timer);
}

void auth_watches_done(struct auth *a)
{
    loop_timer_stop(&a->watch_timer);
    while (!list_empty(&a->watches)) {
        struct auth_watch *w = CONTAINER_OF(a->watches.next, struct auth_watch, link);

        list_unlink(&w->link);
        w->auth = NULL;
    }
}

struct auth_watch *auth_watch_start(struct auth *a,
                                    const struct auth_proof *proof,
                                    const struct identity *who,
                                    auth_watch_fn ended,
                                    void *owner)
{
    struct auth_watch *w = xcalloc(1, sizeof(*w));

    list_init(&w->link);
    if (!auth_proof_key(proof, w->key)) {
        free(w);
        return NULL;
    }
    w->auth = a;
    w->peer = xstrdup(proof->peer);
    w->who = *who;
    w->sweep = a->watch_sweep;
    w->ended = ended;
    w->owner = owner;
    list_append(&a->watches, &w->link);
    return w;
}

void auth_watch_cancel(struct auth_watch *w)
{
    if (!w)
        return;
    if (w->auth && w->auth->watch_checked == w)
        w->auth->watch_checked = NULL;
    list_unlink(&w->link);
    free(w->peer);
    free(w);
}
