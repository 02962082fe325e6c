/* Admission of sockets: texts of refusals, when a socket is read, and the end of its rights. */

#include "base/alloc.h"
#include "base/str.h"
#include "server/auth/admission.h"
#include "server/auth/fixture.h"
#include "server/store/api_keys.h"
#include "server/store/secret.h"
#include "server/store/users.h"

#include <string.h>

#define UNKNOWN "dm_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct ws {
    bool is_paused, is_trusted;
};

void ws_pause(struct ws *ws, bool is_paused)
{
    ws->is_paused = is_paused;
}

void ws_trust(struct ws *ws)
{
    ws->is_trusted = true;
}

void credentials_free(struct credentials *c)
{
    if (!c)
        return;
    free(c->bearer);
    free(c->session_id);
    free(c->peer);
    free(c);
}

struct visitor {
    struct ws ws;
    struct admission *admission;
    unsigned n_admitted, n_refused, code;
    struct identity who;
    bool is_known;
    char why[100];
};

static void on_admitted(void *owner, const struct identity *who)
{
    struct visitor *v = owner;

    assert_non_null(v->admission);
    assert_true(v->ws.is_trusted);
    assert_false(v->ws.is_paused);
    v->n_admitted++;
    v->who = *who;
}

/* Lets go of it, as an owner may whose socket closes. */
static void on_refused(void *owner, const struct identity *who, unsigned code, const char *why)
{
    struct visitor *v = owner;

    assert_false(v->ws.is_paused);
    v->n_refused++;
    v->is_known = who != NULL;
    v->code = code;
    str_copy(v->why, sizeof(v->why), why);
    admission_cancel(TAKE_PTR(v->admission));
}

static void arrive(struct bench *b, struct visitor *v, const char *bearer, const char *session_id)
{
    static const struct admission_handler handler = {.admitted = on_admitted,
                                                     .refused = on_refused};
    struct credentials *c = xcalloc(1, sizeof(*c));

    c->bearer = xstrdup(bearer);
    c->session_id = xstrdup(session_id);
    c->peer = xstrdup("10.0.0.1");
    *v = (struct visitor){0};
    admission_start(&v->admission, b->auth, &v->ws, c, &handler, v);
}

static void a_socket_is_read_when_it_is_known_whose_it_is(void **state)
{
    struct bench *b = *state;
    int64_t id;
    _cleanup_(secret_freep) char *key = bench_add_key(b, "ci", NULL, 0, &id);
    struct visitor first, second;

    arrive(b, &first, key, NULL);
    assert_true(first.ws.is_paused);
    assert_int_equal(first.n_admitted, 0);
    bench_drain(b);
    assert_int_equal(first.n_admitted, 1);
    assert_int_equal(first.who.key_id, id);

    arrive(b, &second, key, NULL); /* the cache knows it: at once */
    assert_int_equal(second.n_admitted, 1);

    assert_int_equal(api_keys_delete(b->f->store, id, &(struct api_keys_owner){0}, NULL), 0);
    auth_forget_all(b->auth);
    bench_drain(b);
    assert_int_equal(first.n_refused + second.n_refused, 2);
    assert_int_equal(first.code, WS_CLOSE_POLICY);
    assert_string_equal(first.why, "Invalid or expired session");
    assert_null(first.admission);
}

static void strangers_are_told_why(void **state)
{
    struct bench *b = *state;
    struct visitor v;

    arrive(b, &v, NULL, NULL);
    assert_int_equal(v.n_refused, 1);
    assert_int_equal(v.code, WS_CLOSE_POLICY);
    assert_string_equal(v.why, "Authentication required");

    arrive(b, &v, UNKNOWN, NULL);
    bench_drain(b);
    assert_int_equal(v.n_refused, 1);
    assert_int_equal(v.code, WS_CLOSE_POLICY);
    assert_string_equal(v.why, "This API key is not valid");
    assert_false(v.is_known);
    assert_false(v.ws.is_trusted);

    for (int i = 0; i < 21; i++)
        auth_check(b->auth, &(struct auth_proof){.bearer = UNKNOWN}, bench_on_identity, b);
    arrive(b, &v, UNKNOWN, NULL);
    assert_int_equal(v.n_refused, 1);
    assert_string_equal(v.why, "Server busy");
    bench_drain(b);
}

static void a_key_has_its_places(void **state)
{
    struct bench *b = *state;
    char name[] = "here", networks[] = "192.0.2.0/24";
    struct api_key spec = {.name = name, .networks = networks, .role = ROLE_VIEWER};
    _cleanup_(secret_freep) char *key = NULL;
    struct visitor v;

    assert_int_equal(api_keys_create(b->f->store, &spec, &key, NULL, NULL), 0);
    arrive(b, &v, key, NULL);
    bench_drain(b);
    assert_int_equal(v.n_refused, 1);
    assert_string_equal(v.why, "This API key may not be used from this address");
}

static void an_initial_password_opens_nothing(void **state)
{
    struct bench *b = *state;
    struct visitor v;
    char id[80];

    assert_int_equal(users_set_password(b->f->store, b->admin_id, "hash", true, 1, NULL), 0);
    bench_add_session(b, '0', b->admin_id);
    arrive(b, &v, NULL, bench_session_id('0', id));
    bench_drain(b);
    assert_int_equal(v.n_admitted, 0);
    assert_int_equal(v.n_refused, 1);
    assert_int_equal(v.code, WS_CLOSE_FORBIDDEN);
    assert_true(v.is_known);
    assert_false(v.ws.is_trusted);
}

static void who_left_meanwhile_hears_nothing(void **state)
{
    struct bench *b = *state;
    int64_t id;
    _cleanup_(secret_freep) char *key = bench_add_key(b, "ci", NULL, 0, &id);
    struct visitor v;

    arrive(b, &v, key, NULL);
    admission_cancel(TAKE_PTR(v.admission));
    bench_drain(b);
    assert_int_equal(v.n_admitted + v.n_refused, 0);

    arrive(b, &v, key, NULL);
    assert_int_equal(v.n_admitted, 1);
    admission_cancel(TAKE_PTR(v.admission));
    auth_forget_all(b->auth);
    bench_drain(b);
    assert_int_equal(v.n_refused, 0);
    admission_cancel(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(a_socket_is_read_when_it_is_known_whose_it_is),
        BENCH(strangers_are_told_why),
        BENCH(a_key_has_its_places),
        BENCH(an_initial_password_opens_nothing),
        BENCH(who_left_meanwhile_hears_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
