#include "net/call_fixture.h"
#include "base/alloc.h"
#include "base/str.h"

static size_t n_open;

void outcome_on_done(void *owner, const struct http_result *r)
{
    struct outcome *o = owner;

    o->n_done++;
    o->code = r->code;
    o->status = r->status;
    assert_non_null(r->content_type);
    assert_non_null(r->body);
    assert_non_null(r->message);
    assert_int_equal(r->body[r->size], '\0');
    str_copy(o->content_type, sizeof(o->content_type), r->content_type);
    str_copy(o->set_cookie, sizeof(o->set_cookie), r->set_cookie ? r->set_cookie : "");
    str_copy(o->wanted, sizeof(o->wanted), r->wanted ? r->wanted : "");
    str_copy(o->message, sizeof(o->message), r->message);
    assert_int_equal(buf_append(&o->body, r->body, r->size), 0);
    http_call_cancel(o->call); /* harmless here */
    if (--n_open == 0)
        loop_stop(test_loop->loop);
}

void outcome_on_data(void *owner, const void *data, size_t size)
{
    struct outcome *o = owner;

    assert_true(size > 0);
    assert_int_equal(buf_append(&o->stream, data, size), 0);
}

void outcome_start(struct outcome *o, const char *address, const struct http_call_options *with)
{
    struct http_call_options options = *with;
    struct error err = ERROR_INIT;

    *o = (struct outcome){.body = BUF_INIT(SIZE_MAX / 2), .stream = BUF_INIT(SIZE_MAX / 2)};
    options.address = address;
    options.method = with->method ? with->method : "GET";
    options.path = with->path ? with->path : "/x";
    options.max_body = with->max_body ? with->max_body : 1000000;
    options.done = outcome_on_done;
    options.owner = o;
    n_open++;
    if (http_call_start(&o->call, test_loop->loop, &options, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(o->n_done, 0);
}

void outcome_run(struct outcome *o, const char *address, const struct http_call_options *with)
{
    outcome_start(o, address, with);
    loop_run(test_loop->loop);
}

void outcome_done(struct outcome *o)
{
    assert_int_equal(o->n_done, 1);
    buf_done(&o->body);
    buf_done(&o->stream);
}

void served_run(struct served *s,
                const char *answer,
                size_t size,
                unsigned flags,
                const struct http_call_options *with)
{
    s->server = xcalloc(1, sizeof(*s->server));
    test_server_start(s->server, answer, size, flags);
    outcome_run(&s->o, s->server->address, with);
}

void served_done(struct served *s)
{
    outcome_done(&s->o);
    test_server_stop(s->server);
    free(s->server);
}
