/* batch ls, follow, cancel: the batches that `dockmon update --rings` begins. */

#include "base/alloc.h"
#include "base/time.h"
#include "cli/common/listing.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/updates/update_batch.h"

#include <errno.h>

/* --- ls --- */

struct ls_options {
    struct listing_options listing;
};

#define LISTING offsetof(struct ls_options, listing)

static const struct flag ls_flags[] = {
    LISTING_QUIET(LISTING, "the ids of the batches"),
    LISTING_JSON(LISTING),
    LISTING_WIDE(LISTING, "the creator of the batch, and the reason of its stop"),
};

/* "2/3" */
static char *make_ring(const json_t *element, const void *owner)
{
    (void)owner;
    return xasprintf("%lld/%lld", (long long)member_integer(element, "ring"),
                     (long long)member_integer(element, "n_rings"));
}

static char *make_updated(const json_t *element, const void *owner)
{
    long long done = member_integer(element, "success") + member_integer(element, "skipped");

    (void)owner;
    return xasprintf("%lld/%lld", done, (long long)member_integer(element, "total"));
}

static char *make_created(const json_t *element, const void *owner)
{
    (void)owner;
    return text_ago(member_text(element, "created_at"), time_utc_ms(), "");
}

static const struct listing_column columns[] = {
    {"BATCH ID", "id",         NULL,         NULL},
    {"STATE",    "state",      NULL,         NULL},
    {"RING",     NULL,         make_ring,    NULL},
    {"UPDATED",  NULL,         make_updated, NULL},
    {"FAILED",   "failed",     NULL,         NULL},
    {"CREATED",  NULL,         make_created, NULL},
    {"BY",       "created_by", NULL,         NULL},
    {"REASON",   "reason",     NULL,         NULL},
};

#define N_NARROW 6

static const struct listing listing = {
    .columns = columns,
    .n_columns = ARRAY_LEN(columns),
    .quiet_member = "id",
    .n_narrow = N_NARROW,
};

static int run_ls(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct ls_options *o = options;
    json_auto_t *answer = NULL;
    struct error err = ERROR_INIT;

    (void)verb;
    (void)words;
    if (!c)
        return 1;
    if (client_get(c, xstrdup("/api/updates/batches"), &answer, &err) == 0 &&
        !json_is_array(json_object_get(answer, "batches")))
        (void)error_set(&err, -EPROTO, MSG_INVALID_LIST, "batches");
    if (err.code < 0)
        return output_failure(NULL, err.msg);
    listing_print(&listing, json_object_get(answer, "batches"), &o->listing, NULL);
    return 0;
}

const struct verb verb_batch_ls = {
    .name = "batch ls",
    .usage = "[OPTIONS]",
    .summary = "List batches of updates, newest first",
    VERB_FLAGS(ls_flags),
    .options_size = sizeof(struct ls_options),
    .run = run_ls,
};

/* --- follow, cancel --- */

static int run_follow(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    _cleanup_free_ char *id = text_url_encode(words->items[0]);

    (void)verb;
    (void)options;
    return c ? update_batch_follow(c, id) : 1;
}

const struct verb verb_batch_follow = {
    .name = "batch follow",
    .usage = "BATCH",
    .summary = "Show the changes of a batch of updates to its end",
    .examples = "  dockmon batch follow \"$(dockmon batch ls -q | head -n 1)\"\n",
    .min_words = 1,
    .max_words = 1,
    .run = run_follow,
};

static int run_cancel(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    _cleanup_free_ char *id = text_url_encode(words->items[0]);
    struct error err = ERROR_INIT;

    (void)verb;
    (void)options;
    if (!c)
        return 1;
    if (client_send(c, "DELETE", xasprintf("/api/updates/batches/%s", id), NULL, NULL, &err) < 0)
        return output_failure(words->items[0], err.msg);
    output_line("%s", words->items[0]);
    return 0;
}

const struct verb verb_batch_cancel = {
    .name = "batch cancel",
    .usage = "BATCH",
    .summary = "Begin no further update of a batch; those in progress are finished",
    .examples = "  dockmon batch cancel 4be1c1b8-5a9e-4d0b-b8b0-3f0c8c6a3a55\n",
    .min_words = 1,
    .max_words = 1,
    .run = run_cancel,
};
