#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "net/http_server.h"
#include "server/api/agent_call.h"
#include "server/api/job_call.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

struct commands *__wrap_sessions_commands(struct sessions *s);
void __wrap_command_start(struct commands *cs, struct command_request *q);
bool __wrap_http_respond(struct http_server *s, uint64_t id, const struct http_response *response);
void __wrap_log_write(enum log_level level, const char *const *fields, const char *fmt, ...);
void __real_secret_free(char *s);
void __wrap_secret_free(char *s);

struct bench {
    struct loop *loop;
    struct api api;
    struct job_queue *jobs;
};

/* The last answer, and the number of warnings. */
static struct {
    unsigned n;
    int status;
    char *body;
    bool has_retry_after;
} answer;
static unsigned n_warnings;
static char erased[64]; /* the last secret that was freed */

/* The last command. */
static struct {
    enum operation_id operation;
    uint64_t timeout_ms;
} asked;

struct commands *__wrap_sessions_commands(struct sessions *s)
{
    (void)s;
    return NULL;
}

void __wrap_command_start(struct commands *cs, struct command_request *q)
{
    (void)cs;
    asked.operation = q->operation;
    asked.timeout_ms = q->timeout_ms;
}

bool __wrap_http_respond(struct http_server *s, uint64_t id, const struct http_response *response)
{
    (void)s;
    (void)id;
    answer.n++;
    answer.status = response->status;
    free(answer.body);
    answer.body = xstrndup(response->body, response->body_size);
    answer.has_retry_after = response->headers && str_eq(response->headers[0], "Retry-After");
    return true;
}

void __wrap_log_write(enum log_level level, const char *const *fields, const char *fmt, ...)
{
    (void)fields;
    (void)fmt;
    n_warnings += level == LOG_LEVEL_WARN;
}

void __wrap_secret_free(char *s)
{
    if (s)
        str_copy(erased, sizeof(erased), s);
    __real_secret_free(s);
}

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));
    static char server; /* is never looked at */

    if (loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    b->jobs = job_queue_new(b->loop, 1, 0);
    b->api.o.store_jobs = b->jobs;
    b->api.http = (struct http_server *)(void *)&server;
    answer.n = n_warnings = 0;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    job_queue_drain(b->jobs);
    job_queue_free(b->jobs);
    loop_free(b->loop);
    free(TAKE_PTR(answer.body));
    free(b);
    return 0;
}

static void no_work(void *job)
{
    (void)job;
}

static void no_handler(struct api_call *call)
{
    (void)call;
}

static struct api_call *new_call(struct bench *b, const struct route *route)
{
    struct api_call *call = xcalloc(1, sizeof(*call));

    call->api = &b->api;
    call->match.route = route;
    call->match.params[0] = xstrdup("h");
    call->peer = xstrdup("192.0.2.1");
    return call;
}

static const struct route reading = {
    .method = "GET", .pattern = "/api/hosts/{host}", .handle = no_handler};
static const struct route changing = {
    .method = "POST", .pattern = "/api/hosts/{host}/x", .handle = no_handler, .action = "x"};

static int work(struct api_job *job)
{
    (void)job;
    fail_msg("the job was started");
    return 0;
}

/* More jobs than the queue takes: the client may try again, it has made no mistake. */
static void test_full_queue_is_503(void **state)
{
    struct bench *b = *state;

    assert_int_equal(job_submit(b->jobs, b, no_work, no_work), 0);
    api_job_start(api_job_new(new_call(b, &reading), work, NULL));
    assert_int_equal(answer.n, 1);
    assert_int_equal(answer.status, 503);
    assert_true(answer.has_retry_after);
    assert_non_null(strstr(answer.body, "\"busy\""));
}

static int work_fails(struct api_job *job)
{
    return (int)job->numbers[0];
}

/* The failure of the work is the answer, with a text even if the work has given none. */
static void test_failure_of_a_job_is_answered(void **state)
{
    static const struct {
        int code, status;
    } cases[] = {
        {-ENOENT,  404},
        {-ENOBUFS, 503},
        {-EIO,     500},
        {0,        200},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_job *job = api_job_new(new_call(b, &reading), work_fails, NULL);

        job->numbers[0] = cases[i].code;
        job->result = json_object();
        api_job_start(job);
        job_queue_drain(b->jobs);
        assert_int_equal(answer.n, i + 1);
        assert_int_equal(answer.status, cases[i].status);
        assert_int_not_equal(answer.body[0], '\0');
    }
}

/* The arguments of a job may be tokens: whatever its end is, they do not stay in memory. */
static void test_arguments_are_erased(void **state)
{
    struct bench *b = *state;

    for (int is_full = 0; is_full <= 1; is_full++) {
        struct api_job *job = api_job_new(new_call(b, &reading), work_fails, NULL);

        erased[0] = '\0';
        job->args[API_JOB_ARGS - 1] = xstrdup("token");
        if (is_full)
            assert_int_equal(job_submit(b->jobs, b, no_work, no_work), 0);
        api_job_start(job);
        job_queue_drain(b->jobs);
        assert_string_equal(erased, "token");
    }
}

/* The log has the failures of the server itself, not those of its clients. */
static void test_failures_of_the_server_are_logged(void **state)
{
    static const struct {
        int status;
        unsigned n_read, n_changed; /* warnings of the two routes */
    } cases[] = {
        {200, 0, 0},
        {404, 0, 0},
        {499, 0, 0},
        {500, 1, 1},
        {501, 1, 1},
        {502, 1, 1},
        {503, 0, 1}, /* clients read again and again while a host is offline */
        {504, 1, 1},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        n_warnings = 0;
        api_fail_as(new_call(b, &reading), cases[i].status, CODE_INTERNAL_ERROR, "why");
        assert_int_equal(n_warnings, cases[i].n_read);
        n_warnings = 0;
        assert_int_equal(job_submit(b->jobs, b, no_work, no_work), 0); /* for no audit row */
        api_fail_as(new_call(b, &changing), cases[i].status, CODE_INTERNAL_ERROR, "why");
        assert_int_equal(n_warnings, cases[i].n_changed);
        job_queue_drain(b->jobs);
        assert_int_equal(answer.status, cases[i].status);
        assert_int_equal(answer.has_retry_after, cases[i].status == 503);
    }
}

/* A failure that was logged where it happened is not logged again, nor one without a text. */
static void test_failures_are_logged_once(void **state)
{
    struct bench *b = *state;
    struct api_call *call = new_call(b, &reading);

    call->is_logged = true;
    api_fail_as(call, 500, CODE_INTERNAL_ERROR, "why");
    api_reply(new_call(b, &reading), 500, json_object());
    api_reply(new_call(b, NULL), 500, api_error_json(CODE_INTERNAL_ERROR, "why"));
    assert_int_equal(answer.n, 3);
    assert_int_equal(n_warnings, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* After these times in seconds the server gives up, as DockMon's. */
static unsigned get_expected_s(const char *name)
{
    static const struct {
        const char *name;
        unsigned seconds;
    } others[] = {
        {"inspect",        15 },
        {"remove_image",   60 },
        {"prune_images",   120},
        {"delete_network", 60 },
        {"prune_networks", 60 },
        {"delete_volume",  60 },
        {"prune_volumes",  60 },
        {"disk_usage",     120},
    };

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (str_eq(name, others[i].name))
            return others[i].seconds;
    }
    return 30;
}

/* Stop and restart wait for the container, too. */
static void test_operations_have_their_time(void **state)
{
    struct bench *b = *state;
    struct api_call *call = new_call(b, NULL);
    const struct fleet_host host = {.is_online = true};

    operation_foreach(id) {
        const char *name = operation_spec(id)->name;
        bool waits = str_starts_with(name, "stop") || str_starts_with(name, "restart");
        uint64_t expected_ms = waits ? 20000 : get_expected_s(name) * UINT64_C(1000);

        if (api_operation_timeout_ms(id, 0) != expected_ms ||
            api_operation_timeout_ms(id, 3600) != (waits ? 3620000 : expected_ms))
            fail_msg("%s: another time", name);
        api_agent_ask(call, &host, &(struct api_operation){.operation = id});
        if (asked.operation != id || asked.timeout_ms != expected_ms)
            fail_msg("%s: asked with another time", name);
        api_agent_ask(call, &host, &(struct api_operation){.operation = id, .timeout_ms = 5000});
        assert_int_equal(asked.timeout_ms, 5000);
    }
    api_reply(call, 200, json_object());
}

/* A route must not end before the operation does that it waits for. */
static void test_routes_wait_for_their_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_routes; i++) {
        enum operation_id operation = routes[i].operation;

        if (operation == OPERATION_NONE || routes[i].timeout_ms == 0)
            continue;
        if (api_operation_timeout_ms(operation, OPERATION_MAX_STOP_S) >= routes[i].timeout_ms)
            fail_msg("%s %s", routes[i].method, routes[i].pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_full_queue_is_503),
        TEST(test_failure_of_a_job_is_answered),
        TEST(test_arguments_are_erased),
        TEST(test_failures_of_the_server_are_logged),
        TEST(test_failures_are_logged_once),
        TEST(test_operations_have_their_time),
        TEST(test_routes_wait_for_their_operation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
