#include "base/alloc.h"
#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/registry/checker_internal.h"
#include "server/registry/version.h"
#include "server/store/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXCHANGE_MS     20000
#define LIMITED_MS      (15 * MINUTE_MS) /* after a 429 without Retry-After */
#define MAX_REST_MS     (6 * HOUR_MS)
#define MAX_TOKENS      1000   /* of one registry */
#define MAX_PLATFORMS   262144 /* bytes of the text that is stored */
#define MAX_ETAG        512
#define MAX_ERROR       512
#define LEAST_REMAINING 5 /* the announced limit divided by it stays unused */

static const char *const outcome_names[] = {
    [REGISTRY_ANSWERED] = "answered",   [REGISTRY_UNCHANGED] = "answered",
    [REGISTRY_NOT_FOUND] = "not_found", [REGISTRY_DENIED] = "denied",
    [REGISTRY_LIMITED] = "limited",     [REGISTRY_UNREACHABLE] = "unreachable",
    [REGISTRY_INVALID] = "invalid",
};

struct run {
    struct check *check;
    struct registry_request request;
};

static void run_work(void *job)
{
    struct run *r = job;

    registry_request_run(&r->request, time_utc_ms());
}

static void run_done(void *job);

static struct registry_access copy_access(const struct registry_access *a)
{
    return (struct registry_access){
        .domain = xstrdup(a->domain),
        .username = xstrdup(a->username),
        .password = xstrdup(a->password),
        .token_host = xstrdup(a->token_host),
        .ca_pem = xstrdup(a->ca_pem),
        .security = a->security,
        .is_known = a->is_known,
    };
}

/* The platforms of the containers that have the reference. */
static json_t *find_platforms(struct checker *c, const char *reference)
{
    json_t *list = json_array();

    map_foreach(&c->facts, e) {
        const struct image_facts *f = e->value;
        size_t i = 0;

        if (!str_eq(f->reference, reference) || !f->platform[0])
            continue;
        while (i < json_array_size(list) &&
               !str_eq(json_string_value(json_array_get(list, i)), f->platform))
            i++;
        if (i == json_array_size(list) && i < 8)
            (void)json_array_append_new(list, json_text_str(f->platform));
    }
    return list;
}

static void free_run(struct run *r)
{
    registry_request_done(&r->request);
    free(r);
}

/* Starts an exchange. -ENOBUFS: no thread is free. */
static int start(struct check *k, enum registry_work work)
{
    struct checker *c = k->checker;
    struct run *r = xcalloc(1, sizeof(*r));
    const struct peer_token *token;
    int code;

    r->check = k;
    r->request.work = work;
    r->request.access = copy_access(&k->peer->access);
    r->request.timeout_ms = EXCHANGE_MS;
    r->request.is_cancelled = &c->is_cancelled;
    code = reference_parse(k->row.reference, &r->request.reference, NULL);
    if (code == 0 && work == REGISTRY_ASK_DIGEST && k->row.digest)
        r->request.known_etag = xstrdup(k->row.etag);
    if (code == 0 && work == REGISTRY_ASK_PLATFORMS) {
        r->request.wanted_digest = xstrdup(k->row.digest);
        r->request.wanted_platforms = find_platforms(c, k->row.reference);
    }
    token = code == 0 ? map_find(&k->peer->tokens, r->request.reference.path) : NULL;
    if (token) {
        r->request.token = xstrdup(token->text);
        r->request.token_until_ms = token->until_ms;
    }
    if (code == 0)
        code = job_submit(c->jobs, r, run_work, run_done);
    if (code < 0)
        free_run(r);
    return code;
}

static void keep_token(struct peer *p, struct registry_request *q)
{
    struct peer_token *t;

    if (!q->token)
        return;
    if (p->tokens.size >= MAX_TOKENS)
        checker_forget_tokens(p);
    t = map_find(&p->tokens, q->reference.path);
    if (!t) {
        t = xcalloc(1, sizeof(*t));
        (void)map_put(&p->tokens, q->reference.path, t);
    }
    secret_free(t->text);
    t->text = TAKE_PTR(q->token);
    t->until_ms = q->token_until_ms;
}

static void rest(struct peer *p, int64_t ms, char *why /* takes ownership */)
{
    p->rests_until_ms = time_utc_ms() + (ms < MAX_REST_MS ? ms : MAX_REST_MS);
    free(p->why_rests);
    p->why_rests = why;
    log_info(LOG_FIELDS("registry", p->domain), "checks pause for %lld s: %s",
             (long long)(p->rests_until_ms - time_utc_ms()) / 1000, why);
}

/* Returns whether the registry is to be left alone now. */
static void keep_limits(struct peer *p, const struct registry_request *q)
{
    if (q->outcome == REGISTRY_LIMITED) {
        rest(p, q->retry_after_s > 0 ? q->retry_after_s * 1000 : LIMITED_MS,
             xasprintf("%s: it answers 429, too many requests", p->domain));
    } else if (q->limit > 0 && q->remaining >= 0 && q->remaining <= q->limit / LEAST_REMAINING) {
        rest(p, q->window_s > 0 && q->window_s * 1000 < HOUR_MS ? q->window_s * 1000 : HOUR_MS,
             xasprintf("%s: %lld of %lld requests are left, the rest is for pulls", p->domain,
                       (long long)q->remaining, (long long)q->limit));
    }
}

static void set_text(char **place, const char *text)
{
    free(*place);
    *place = xstrdup(text);
}

static void forget_details(struct check *k)
{
    json_decref(k->platforms);
    json_decref(k->newer);
    k->platforms = k->newer = NULL;
    free(TAKE_PTR(k->row.platforms));
    free(TAKE_PTR(k->row.newer));
}

static void apply_digest(struct check *k, const struct registry_request *q)
{
    int64_t now_ms = time_utc_ms();

    set_text(&k->row.way, "registry");
    k->row.answered_at_ms = now_ms;
    if (q->outcome == REGISTRY_UNCHANGED)
        return;
    set_text(&k->row.etag, q->etag && strlen(q->etag) <= MAX_ETAG ? q->etag : NULL);
    if (str_eq(k->row.digest, q->digest))
        return;
    set_text(&k->row.digest, q->digest);
    k->row.changed_at_ms = now_ms;
    forget_details(k);
}

static void apply_platforms(struct check *k, const struct registry_request *q)
{
    size_t size = 0;
    char *text = json_text_write(q->platforms, &size);

    if (size > MAX_PLATFORMS) {
        free(text);
        return;
    }
    free(k->row.platforms);
    k->row.platforms = text;
    json_decref(k->platforms);
    k->platforms = json_incref(q->platforms);
}

static void apply_tags(struct check *k, const struct registry_request *q)
{
    json_decref(k->newer);
    k->newer = version_newer(q->reference.tag, q->tags);
    free(k->row.newer);
    k->row.newer = json_text_write(k->newer, NULL);
}

static void apply(struct check *k, const struct registry_request *q)
{
    bool is_answer = q->outcome == REGISTRY_ANSWERED || q->outcome == REGISTRY_UNCHANGED;

    if (q->work == REGISTRY_ASK_TAGS && !is_answer)
        return; /* many registries list no tags: the digest is what counts */
    k->row.checked_at_ms = time_utc_ms();
    set_text(&k->row.outcome, outcome_names[q->outcome]);
    free(TAKE_PTR(k->row.error));
    if (!is_answer) {
        k->row.error = xasprintf("%.*s", STR_CUT(q->err.msg, MAX_ERROR));
    } else if (q->work == REGISTRY_ASK_DIGEST) {
        apply_digest(k, q);
    } else if (q->work == REGISTRY_ASK_PLATFORMS) {
        apply_platforms(k, q);
    } else {
        apply_tags(k, q);
    }
}

/* Whether a container cannot be decided before the platforms of the digest are known. */
static bool needs_platforms(const struct check *k)
{
    map_foreach(&k->checker->facts, e) {
        const struct image_facts *f = e->value;
        struct decision_source s;
        struct decision d;

        if (!str_eq(f->reference, k->row.reference))
            continue;
        s = image_facts_source(f);
        s.digest = k->row.digest;
        decision_make(&s, &d);
        if (d.needs_platforms || d.has_moved)
            return true;
    }
    return false;
}

/* Returns whether a further exchange belongs to the check, and which. */
static bool find_next_work(const struct check *k,
                           const struct registry_request *q,
                           enum registry_work *ret)
{
    if (k->checker->is_stopped || k->peer->why_rests)
        return false;
    if (q->outcome != REGISTRY_ANSWERED && q->outcome != REGISTRY_UNCHANGED)
        return false;
    if (q->work == REGISTRY_ASK_DIGEST && !k->platforms && needs_platforms(k)) {
        *ret = REGISTRY_ASK_PLATFORMS;
        return true;
    }
    *ret = REGISTRY_ASK_TAGS;
    return q->work != REGISTRY_ASK_TAGS && version_is(q->reference.tag);
}

struct save {
    struct db *store;
    struct image_check row;
};

static void save_work(void *job)
{
    struct save *s = job;
    struct error err = ERROR_INIT;

    if (image_checks_put(s->store, &s->row, &err) < 0) {
        log_warn(LOG_FIELDS("image", s->row.reference),
                 "an answer of a registry was not stored: %s", err.msg);
    }
}

static void save_done(void *job)
{
    struct save *s = job;

    image_check_done(&s->row);
    free(s);
}

static void store(const struct check *k)
{
    const struct image_check *row = &k->row;
    struct save *s = xcalloc(1, sizeof(*s));

    s->store = k->checker->o.store;
    s->row = image_check_copy(row);
    if (job_submit(k->checker->o.store_jobs, s, save_work, save_done) < 0)
        save_done(s); /* the next check stores it */
}

static void finish(struct check *k)
{
    int64_t interval_ms = (int64_t)k->checker->o.interval_ms;

    k->state = CHECK_IDLE;
    k->due_at_ms = time_utc_ms() + interval_ms -
                   (int64_t)random_below((uint64_t)interval_ms / 10 + 1);
    if (k->row.outcome)
        store(k);
    check_end_waits(k, 0);
}

/* A check that is queued while the registry rests ends with the reason. */
static void fail_queue(struct peer *p)
{
    while (!list_empty(&p->queue)) {
        struct check *k = CONTAINER_OF(list_take_first(&p->queue), struct check, link);

        k->row.checked_at_ms = time_utc_ms();
        set_text(&k->row.outcome, outcome_names[REGISTRY_LIMITED]);
        free(k->row.error);
        k->row.error = xasprintf("%.*s", STR_CUT(p->why_rests, MAX_ERROR));
        finish(k);
    }
}

static void run_done(void *job)
{
    struct run *r = job;
    struct check *k = r->check;
    struct checker *c = k->checker;
    struct peer *p = k->peer;
    enum registry_work next;

    if (!c->is_stopped) {
        keep_token(p, &r->request);
        keep_limits(p, &r->request);
        apply(k, &r->request);
    }
    if (find_next_work(k, &r->request, &next) && start(k, next) == 0) {
        free_run(r);
        return;
    }
    p->n_running--;
    if (c->is_stopped) {
        k->state = CHECK_IDLE;
    } else {
        finish(k);
        checker_pump(c, p);
    }
    free_run(r);
}

void checker_pump(struct checker *c, struct peer *p)
{
    if (p->why_rests && p->rests_until_ms <= time_utc_ms())
        free(TAKE_PTR(p->why_rests));
    if (p->why_rests) {
        fail_queue(p);
        return;
    }
    while (!c->is_stopped && p->n_running < CHECKER_PARALLEL && !list_empty(&p->queue)) {
        struct check *k = CONTAINER_OF(list_take_first(&p->queue), struct check, link);

        if (start(k, REGISTRY_ASK_DIGEST) < 0) {
            /* All threads and places are taken: the end of another check, or the sweep, tries again. */
            list_append(&p->queue, &k->link);
            return;
        }
        k->state = CHECK_RUNNING;
        p->n_running++;
    }
}

void check_queue(struct check *k, bool is_urgent)
{
    struct peer *p = k->peer;

    k->state = CHECK_QUEUED;
    list_append(is_urgent ? p->queue.next : &p->queue, &k->link);
    checker_pump(k->checker, p);
}
