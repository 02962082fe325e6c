/* Clients of an endpoint: admission, refusals, the maximum, and all the ways in which they end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "server/auth/watch.h"
#include "server/auth/ws_client.h"
#include "server/common/fake_net.h"

#define MAX 2

/* --- the edge: credentials and their check ---------------------------------------------------- */

static bool has_credentials;
static size_t n_credentials;
static auth_identity_fn check_done; /* of the check that is under way */
static void *check_owner;
static auth_watch_fn watch_ended;
static void *watch_owner;

struct credentials *credentials_new(_unused_ const struct http_request *r)
{
    struct credentials *c = xcalloc(1, sizeof(*c));

    n_credentials++;
    if (has_credentials)
        c->bearer = xstrdup("key");
    return c;
}

void credentials_free(struct credentials *c)
{
    if (!c)
        return;
    n_credentials--;
    free(c->bearer);
    free(c);
}

void auth_check(_unused_ struct auth *a,
                _unused_ const struct auth_proof *proof,
                auth_identity_fn done,
                void *owner)
{
    check_done = done;
    check_owner = owner;
}

struct auth_watch *auth_watch_start(_unused_ struct auth *a,
                                    _unused_ const struct auth_proof *proof,
                                    _unused_ const struct identity *who,
                                    auth_watch_fn ended,
                                    void *owner)
{
    watch_ended = ended;
    watch_owner = owner;
    return NULL;
}

void auth_watch_cancel(_unused_ struct auth_watch *w)
{
}

static void finish_check(int code, enum role role)
{
    const struct identity who = {.user_id = 1, .name = "u", .role = role};
    auth_identity_fn done = TAKE_PTR(check_done);

    done(check_owner, code, code == 0 ? &who : NULL);
}

/* --- a module --------------------------------------------------------------------------------- */

struct visitor {
    struct ws_client socket;
    bool is_closing;
};

static struct {
    size_t n_admitted, n_closing, n_gone, n_messages;
    unsigned code;
    char reason[200];
    bool closes_when_admitted;
} seen;

static void on_admitted(struct ws_client *c)
{
    assert_true(ws_client_is_admitted(c));
    seen.n_admitted++;
    if (seen.closes_when_admitted)
        ws_client_close(c, WS_CLOSE_NORMAL, "enough");
}

static void on_closing(struct ws_client *c, unsigned code, const char *reason)
{
    struct visitor *v = CONTAINER_OF(c, struct visitor, socket);

    assert_int_equal(c->state, WS_CLIENT_CLOSING);
    assert_false(v->is_closing); /* once */
    v->is_closing = true;
    seen.n_closing++;
    seen.code = code;
    str_copy(seen.reason, sizeof(seen.reason), reason ? reason : "(left)");
    ws_client_close(c, WS_CLOSE_INTERNAL, "a second close");
}

static void on_message(struct ws_client *c, const char *data, size_t size, bool is_binary)
{
    (void)data;
    (void)size;
    (void)is_binary;
    assert_true(ws_client_is_admitted(c));
    seen.n_messages++;
}

static void on_gone(struct ws_client *c)
{
    struct visitor *v = CONTAINER_OF(c, struct visitor, socket);

    assert_int_equal(v->is_closing, c->ws != NULL);
    seen.n_gone++;
    free(v);
}

static const struct ws_client_handler handler = {
    .admitted = on_admitted,
    .closing = on_closing,
    .on_message = on_message,
    .gone = on_gone,
};
static const struct ws_rules rules = {
    .role = ROLE_OPERATOR,
    .limits = {.max_message = 1000, .max_queue = 2000},
};
static const struct ws_rules open_rules = {.role = ROLE_NONE};

static int setup(void **state)
{
    struct ws_clients *cs = xcalloc(1, sizeof(*cs));

    memset(&seen, 0, sizeof(seen));
    has_credentials = true;
    ws_clients_init(cs, &(struct ws_clients){.name = "visitor",
                                             .auth = (struct auth *)(void *)cs,
                                             .max = MAX,
                                             .handler = &handler});
    *state = cs;
    return 0;
}

static int teardown(void **state)
{
    struct ws_clients *cs = *state;

    ws_clients_free_all(cs);
    if (check_done) /* its client has ended */
        finish_check(0, ROLE_OPERATOR);
    assert_int_equal(cs->n_open, 0);
    assert_int_equal(n_credentials, 0);
    free(cs);
    return 0;
}

static struct ws *arrive(struct ws_clients *cs)
{
    struct visitor *v = xcalloc(1, sizeof(*v));
    struct http_request r = {0};
    struct ws_accept accept;

    ws_clients_accept(cs, &v->socket, &r, cs->auth ? &rules : &open_rules, &accept);
    return fake_ws_new(&accept, "10.0.0.1");
}

static void assert_closed(const struct ws *ws, unsigned code, const char *reason)
{
    assert_int_equal(ws->close_code, code);
    assert_string_equal(ws->close_reason, reason);
    assert_false(ws->is_paused); /* the peer's close frame must be read */
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_client_is_served_between_admission_and_close(void **state)
{
    struct ws_clients *cs = *state;
    struct ws *ws = arrive(cs);

    assert_int_equal(ws->limits.max_queue, 2000);
    assert_true(ws->is_paused);
    assert_int_equal(cs->n_open, 1);
    finish_check(0, ROLE_OPERATOR);
    assert_int_equal(seen.n_admitted, 1);
    fake_ws_receive(ws, "{}");
    assert_int_equal(seen.n_messages, 1);
    fake_ws_drain(ws); /* no function for that */

    ws_client_close(ws->owner, WS_CLOSE_NORMAL, "bye");
    assert_closed(ws, WS_CLOSE_NORMAL, "bye");
    assert_int_equal(cs->n_open, 0);
    fake_ws_receive(ws, "{}"); /* too late */
    assert_int_equal(seen.n_messages, 1);
    assert_int_equal(seen.n_gone, 0);
    fake_ws_end(ws, WS_CLOSE_NORMAL);
    assert_int_equal(seen.n_closing, 1);
    assert_int_equal(seen.n_gone, 1);
    assert_true(list_empty(&cs->list));
}

static void a_client_that_leaves_ends_with_its_socket(void **state)
{
    struct ws_clients *cs = *state;
    struct ws *ws = arrive(cs);

    finish_check(0, ROLE_ADMIN);
    fake_ws_end(ws, WS_CLOSE_ABNORMAL);
    assert_int_equal(seen.n_closing, 1);
    assert_int_equal(seen.code, WS_CLOSE_ABNORMAL);
    assert_string_equal(seen.reason, "(left)");
    assert_int_equal(seen.n_gone, 1);
    assert_int_equal(cs->n_open, 0);
}

static void credentials_are_refused(void **state)
{
    struct ws_clients *cs = *state;
    struct ws *ws;

    has_credentials = false;
    ws = arrive(cs);
    assert_closed(ws, WS_CLOSE_POLICY, "Authentication required");
    fake_ws_end(ws, WS_CLOSE_POLICY);

    memset(&seen, 0, sizeof(seen));
    has_credentials = true;
    ws = arrive(cs);
    finish_check(-ENOKEY, ROLE_NONE);
    assert_closed(ws, WS_CLOSE_POLICY, "This API key is not valid");
    fake_ws_end(ws, WS_CLOSE_POLICY);

    memset(&seen, 0, sizeof(seen));
    ws = arrive(cs);
    finish_check(0, ROLE_VIEWER);
    assert_closed(ws, WS_CLOSE_FORBIDDEN, "visitor needs the role operator; u is a viewer");
    assert_int_equal(seen.n_admitted, 0);
    assert_int_equal(cs->n_open, 0);
}

static void rights_that_end_close_the_client(void **state)
{
    struct ws *ws = arrive(*state);

    finish_check(0, ROLE_OPERATOR);
    watch_ended(watch_owner, "Invalid or expired session");
    assert_closed(ws, WS_CLOSE_POLICY, "Invalid or expired session");
    assert_int_equal(seen.n_closing, 1);
}

static void a_close_during_the_admission_cancels_it(void **state)
{
    struct ws *ws = arrive(*state);

    ws_client_close(ws->owner, WS_CLOSE_NORMAL, "too slow");
    assert_closed(ws, WS_CLOSE_NORMAL, "too slow");
    finish_check(0, ROLE_OPERATOR);
    assert_int_equal(seen.n_admitted, 0);

    /* The socket is lost meanwhile. */
    memset(&seen, 0, sizeof(seen));
    fake_ws_end(arrive(*state), WS_CLOSE_ABNORMAL);
    assert_int_equal(seen.n_gone, 1);
    finish_check(0, ROLE_OPERATOR);
    assert_int_equal(seen.n_admitted, 0);
}

static void the_end_of_the_server_closes_all(void **state)
{
    struct ws_clients *cs = *state;
    struct ws *admitted = arrive(cs), *admitting, *late;

    finish_check(0, ROLE_OPERATOR);
    admitting = arrive(cs);
    ws_clients_stop(cs);
    assert_closed(admitted, WS_CLOSE_GOING_AWAY, "Server is stopping");
    assert_closed(admitting, WS_CLOSE_GOING_AWAY, "Server is stopping");
    finish_check(0, ROLE_OPERATOR);
    assert_int_equal(seen.n_admitted, 1);
    assert_int_equal(seen.n_closing, 2);
    late = arrive(cs);
    assert_closed(late, WS_CLOSE_GOING_AWAY, "Server is stopping");
    ws_clients_stop(cs); /* again: harmless */
}

static void a_crowd_is_refused(void **state)
{
    struct ws_clients *cs = *state;
    struct ws *first, *second, *third;

    first = arrive(cs);
    finish_check(0, ROLE_OPERATOR);
    second = arrive(cs); /* counts while its credentials are being checked, too */
    third = arrive(cs);
    assert_closed(third, WS_CLOSE_TRY_AGAIN, "Too many visitors");
    assert_int_equal(cs->n_open, MAX);
    assert_int_equal(first->close_code, 0);
    assert_int_equal(second->close_code, 0);
    fake_ws_end(first, WS_CLOSE_NORMAL);
    finish_check(0, ROLE_OPERATOR);
    third = arrive(cs);
    assert_int_equal(third->close_code, 0);
}

static void a_handshake_that_fails_frees_the_client(void **state)
{
    struct ws_clients *cs = *state;
    struct visitor *v = xcalloc(1, sizeof(*v));
    struct http_request r = {0};
    struct ws_accept accept;

    ws_clients_accept(cs, &v->socket, &r, &rules, &accept);
    assert_int_equal(n_credentials, 1);
    accept.free_context(accept.context);
    assert_int_equal(seen.n_closing, 0);
    assert_int_equal(seen.n_gone, 1);
}

static void no_role_needs_no_admission(void **state)
{
    struct ws_clients *cs = *state;
    struct ws *ws;

    cs->auth = NULL;
    ws = arrive(cs);
    assert_int_equal(seen.n_admitted, 1);
    assert_false(ws->is_paused);
}

static void a_client_may_be_closed_when_it_is_admitted(void **state)
{
    struct ws *ws = arrive(*state);

    seen.closes_when_admitted = true;
    finish_check(0, ROLE_OPERATOR);
    assert_closed(ws, WS_CLOSE_NORMAL, "enough");
    assert_int_equal(seen.n_closing, 1);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    struct ws *ws = arrive(*state);
    char reason[199] = "x";

    for (size_t i = 1; i + 2 < sizeof(reason); i += 2)
        memcpy(reason + i, "\xc3\xa4", 3);
    ws_client_close(ws->owner, WS_CLOSE_NORMAL, reason);
    assert_int_equal(strlen(ws->close_reason), 119);
    assert_true(str_is_utf8(ws->close_reason, 119));
    assert_int_equal(strlen(seen.reason), 197);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_is_served_between_admission_and_close),
        TEST(a_client_that_leaves_ends_with_its_socket),
        TEST(credentials_are_refused),
        TEST(rights_that_end_close_the_client),
        TEST(a_close_during_the_admission_cancels_it),
        TEST(the_end_of_the_server_closes_all),
        TEST(a_crowd_is_refused),
        TEST(a_handshake_that_fails_frees_the_client),
        TEST(no_role_needs_no_admission),
        TEST(a_client_may_be_closed_when_it_is_admitted),
        TEST(a_long_reason_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
