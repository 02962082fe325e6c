#include "server/api/downloads.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/auth/limit.h"
#include "server/download/agent_files.h"
#include "server/download/install_script.h"
#include "server/download/join_line.h"
#include "server/session/agent_token.h"
#include "server/store/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_TRANSFERS 50 /* at the same time */
#define MAX_FAILURES  20 /* requests without a valid token, of one network, in a minute */
#define MAX_ADDRESSES 10000
#define CHUNK         ((size_t)256 * 1024)
#define MAX_QUEUE     (CHUNK + 4096) /* and the frame of a chunk */
#define MAX_TOKEN     128
#define SHELL_TYPE    "text/x-shellscript; charset=utf-8"
#define NO_TOKEN      "the registration token is missing, unknown or expired (tokens last 15 minutes)"
#define BINARY_TYPE   "application/octet-stream"
#define NOT_SAFE                                                                                 \
    "Agents are handed out over TLS or on loopback only, because they run as root and could be " \
    "changed on the way"
#define HOW_TO_GET_TOKEN "`dockmon token create` on the server prints a new line"

struct downloads {
    struct limit *failures;  /* by network */
    struct job_queue *reads; /* of chunks; NULL before the first transfer */
    size_t n_transfers;
};

struct downloads *downloads_new(void)
{
    struct downloads *d = xcalloc(1, sizeof(*d));

    d->failures = limit_new(MAX_FAILURES, MINUTE_MS, MAX_ADDRESSES);
    return d;
}

void downloads_free(struct downloads *d)
{
    if (!d)
        return;
    if (d->reads) {
        job_queue_drain(d->reads);
        job_queue_free(d->reads);
    }
    limit_free(d->failures);
    free(d);
}

/* Requests and refusals */

/*
 * The installation script is piped into a shell by a curl that ignores the status, so that the user
 * reads the reason instead of "error 401".
 */
static void refuse_script(struct api_call *call,
                          enum error_code code,
                          const char *text,
                          const char *const *headers)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(INSTALL_SCRIPT_MAX);

    if (install_script_refuse(text, &body) < 0) {
        api_fail_code(call, code, "%s", text);
        return;
    }
    log_info(LOG_FIELDS("peer", call->peer), "installation script refused: %s", text);
    sessions_note_refusal(call->api->o.sessions, call->peer, code, text);
    api_respond(call, &(struct http_response){
                          .status = error_code_status(code),
                          .headers = headers,
                          .content_type = SHELL_TYPE,
                          .body = body.data,
                          .body_size = body.size,
                      });
}

static bool is_script(const struct api_call *call)
{
    return call->match.route->handle == install_get;
}

static void refuse(struct api_call *call, enum error_code code, const char *text)
{
    if (is_script(call)) {
        refuse_script(call, code, text, NULL);
    } else {
        api_fail_code(call, code, "%s", text);
    }
}

static void refuse_guesses(struct api_call *call, uint64_t wait_ms)
{
    static const char text[] = "Too many requests without a valid token; wait a minute";
    char seconds[24];
    const char *const headers[] = {"Retry-After", seconds, NULL};

    (void)snprintf(seconds, sizeof(seconds), "%ju", (uintmax_t)(wait_ms / 1000 + 1));
    if (is_script(call)) {
        refuse_script(call, CODE_RATE_LIMITED, text, headers);
        return;
    }
    api_reply_headers(call, error_code_status(CODE_RATE_LIMITED),
                      api_error_json(CODE_RATE_LIMITED, text), headers);
}

static struct join_server find_server(const struct api_call *call)
{
    const struct api_options *o = &call->api->o;

    return (struct join_server){
        .host = call->host,
        .listen_host = o->listen_host,
        .port = http_server_port(call->api->http),
        .is_tls = call->is_tls,
        .base_path = o->front.base_path,
        .public_url = o->front.public_url,
        .has_proxies = o->front.trusted.n > 0,
        /* A client of a proxy sees the proxy's key. */
        .fingerprint = call->is_tls && o->tls && !call->is_forwarded
                           ? tls_keeper_fingerprint(o->tls)
                           : NULL,
    };
}

const char *downloads_fingerprint(const struct api_call *call)
{
    struct join_server server;

    if (!call->api->http)
        return NULL;
    server = find_server(call);
    return join_fingerprint(&server);
}

/* Returns the URL of this server for other hosts, to be freed, or NULL when it is not safe. */
static char *find_url(const struct api_call *call)
{
    const struct join_server server = find_server(call);

    return join_url(&server);
}

/* A public URL has TLS, but this request may have come by another way. */
static bool is_safe(const struct api_call *call)
{
    struct join_server server = find_server(call);
    _cleanup_free_ char *url = NULL;

    if (!call->is_tls)
        server.public_url = NULL;
    url = join_url(&server);
    return url != NULL;
}

char *downloads_join_line(const struct api_call *call, const char *token)
{
    struct join_server server;

    if (!call->api->http || !agent_files_have_programs(call->api->o.agent_files))
        return NULL;
    server = find_server(call);
    return join_line(&server, token);
}

/* The token */

static int check_work(struct api_job *job)
{
    int r = tokens_is_alive(job->store, job->args[0], time_utc_ms(), &job->err);

    job->numbers[0] = r > 0;
    return r < 0 ? r : 0;
}

static bool is_admitted(struct api_job *job)
{
    struct api_call *call = job->call;

    if (job->code < 0) {
        refuse(call, error_code_of(&job->err), job->err.msg);
        return false;
    }
    if (!job->numbers[0]) {
        refuse(call, CODE_NOT_AUTHENTICATED, NO_TOKEN "; " HOW_TO_GET_TOKEN);
        return false;
    }
    limit_undo_address(call->api->downloads->failures, call->peer);
    return true;
}

/*
 * Checks the token, and calls `done` with the result. Every request counts as a failure until its
 * token has proved valid.
 */
static void start_check(struct api_call *call, void (*done)(struct api_job *job))
{
    const char *token = call->credentials->bearer;
    uint64_t wait_ms;
    struct api_job *job;

    if (limit_take_address(call->api->downloads->failures, call->peer, time_monotonic_ms(),
                           &wait_ms) < 0) {
        refuse_guesses(call, wait_ms);
        return;
    }
    if (!token || strlen(token) > MAX_TOKEN) {
        refuse(call, CODE_NOT_AUTHENTICATED, NO_TOKEN "; " HOW_TO_GET_TOKEN);
        return;
    }
    job = api_job_new(call, check_work, done);
    job->args[0] = xstrdup(token);
    api_job_start(job);
}

/* The installation script */

static void reply_script(struct api_call *call, const char *url)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(INSTALL_SCRIPT_MAX);
    const struct join_server server = find_server(call);
    static const char *const headers[] = {"Cache-Control", "no-store", NULL};
    int r;

    r = install_script_write(
        &(struct install_script){
            .url = url,
            .fingerprint = join_fingerprint(&server),
            .token = call->credentials->bearer, /* known, hence a UUID */
            .files = call->api->o.agent_files,
        },
        &body);
    if (r < 0) {
        refuse(call, CODE_INTERNAL_ERROR, "The installation script is too long");
        return;
    }
    log_info(LOG_FIELDS("peer", call->peer), "installation script sent");
    api_respond(call, &(struct http_response){
                          .status = 200,
                          .content_type = SHELL_TYPE,
                          .body = body.data,
                          .body_size = body.size,
                          .headers = headers,
                      });
}

static void on_script_checked(struct api_job *job)
{
    struct api_call *call = job->call;
    _cleanup_free_ char *url = NULL;

    if (!call->api->http) {
        refuse(call, CODE_UNAVAILABLE, "The server is stopping");
        return;
    }
    if (!is_admitted(job))
        return;
    url = find_url(call);
    if (!url || !is_safe(call)) {
        refuse(call, CODE_PERMISSION_DENIED, NOT_SAFE);
    } else if (!agent_files_have_programs(call->api->o.agent_files)) {
        refuse(call, CODE_NOT_FOUND,
               "This server has no agents to hand out; see --agent-dir in dockmond --help");
    } else {
        reply_script(call, url);
    }
}

void install_get(struct api_call *call)
{
    start_check(call, on_script_checked);
}

/* A transfer: one chunk is read by a job, written, and the next one follows when the client has taken it. */

struct chunk {
    struct transfer *owner; /* NULL: the client has left */
    int fd;
    uint64_t offset;
    ssize_t n;
    unsigned char data[CHUNK];
};

struct transfer {
    struct downloads *downloads;
    struct http_server *http;
    uint64_t request_id;
    const struct agent_file *file;
    uint64_t offset;
    struct chunk *reading; /* NULL: none */
};

static void transfer_free(struct transfer *t)
{
    if (t->reading)
        t->reading->owner = NULL;
    t->downloads->n_transfers--;
    free(t);
}

static void read_work(void *job)
{
    struct chunk *c = job;

    c->n = pread(c->fd, c->data, CHUNK, (off_t)c->offset);
}

/* An early end is noticed by the client: the sum is wrong. */
static void transfer_end(struct transfer *t)
{
    http_stream_end(t->http, t->request_id);
    transfer_free(t);
}

static void read_done(void *job)
{
    struct chunk *c = job;
    struct transfer *t = c->owner;

    if (t) {
        t->reading = NULL;
        if (c->n > 0 && http_stream_write(t->http, t->request_id, c->data, (size_t)c->n) == 0) {
            t->offset += (uint64_t)c->n;
        } else {
            log_warn(LOG_FIELDS("file", t->file->name), "download ended early");
            transfer_end(t);
        }
    }
    free(c);
}

static void on_drain(void *owner)
{
    struct transfer *t = owner;

    if (t->offset >= t->file->size) {
        transfer_end(t);
        return;
    }
    t->reading = xmalloc(sizeof(*t->reading));
    t->reading->owner = t;
    t->reading->fd = t->file->fd;
    t->reading->offset = t->offset;
    if (job_submit(t->downloads->reads, t->reading, read_work, read_done) < 0) {
        free(TAKE_PTR(t->reading)); /* the queue has room for all transfers */
        transfer_end(t);
    }
}

static void on_gone(void *owner)
{
    transfer_free(owner);
}

static void start_transfer(struct api_call *call, const struct agent_file *file)
{
    static const struct http_stream_handler handler = {.on_drain = on_drain, .on_gone = on_gone};
    const char *const headers[] = {"X-Checksum-Sha256", file->sha256, NULL};
    struct downloads *d = call->api->downloads;
    struct transfer *t = xcalloc(1, sizeof(*t));
    const struct http_stream stream = {
        .status = 200,
        .content_type = BINARY_TYPE,
        .headers = headers,
        .max_queue = MAX_QUEUE,
        .handler = &handler,
        .owner = t,
    };

    t->downloads = d;
    t->http = call->api->http;
    t->request_id = call->request_id;
    t->file = file;
    d->n_transfers++;
    log_info(LOG_FIELDS("peer", call->peer, "file", file->name), "download started");
    if (!api_reply_stream(call, &stream))
        transfer_free(t); /* on_gone() is never called */
}

/* The body of a HEAD request is only counted. */
static void reply_head(struct api_call *call, const struct agent_file *file)
{
    const char *const headers[] = {"X-Checksum-Sha256", file->sha256, NULL};

    api_respond(call, &(struct http_response){
                          .status = 200,
                          .content_type = BINARY_TYPE,
                          .body_size = file->size,
                          .headers = headers,
                      });
}

static bool can_start(struct downloads *d, struct loop *loop)
{
    if (!d->reads)
        d->reads = job_queue_new(loop, 1, MAX_TRANSFERS);
    return d->reads && d->n_transfers < MAX_TRANSFERS;
}

static const struct agent_file *find_file(const struct api_call *call)
{
    const char *prefix = call->match.route->handle == agent_image_get ? AGENT_FILE_IMAGE
                                                                      : AGENT_FILE_PROGRAM;

    return agent_files_find(call->api->o.agent_files, prefix, api_param(call, 0));
}

static void send_file(struct api_call *call)
{
    const struct agent_file *file = find_file(call);

    if (!is_safe(call)) {
        refuse(call, CODE_PERMISSION_DENIED, NOT_SAFE);
    } else if (!file) {
        api_fail_code(call, CODE_NOT_FOUND, "This server has no %s", api_param(call, 0));
    } else if (call->is_head) {
        reply_head(call, file);
    } else if (!can_start(call->api->downloads, call->api->o.loop)) {
        api_fail_code(call, CODE_BUSY, "Too many downloads run, try again later");
    } else {
        start_transfer(call, file);
    }
}

static void on_file_checked(struct api_job *job)
{
    if (!job->call->api->http) {
        refuse(job->call, CODE_UNAVAILABLE, "The server is stopping");
    } else if (is_admitted(job)) {
        send_file(job->call);
    }
}

/* Agents that update themselves have no registration token any more. */
static bool is_agent(const struct api_call *call)
{
    const char *token = call->credentials->bearer;
    _cleanup_free_ char *hash = NULL;

    if (!token || strlen(token) > MAX_TOKEN)
        return false;
    hash = agent_token_hash(token, AGENT_TOKEN_PROVEN);
    return sessions_find_token(call->api->o.sessions, hash) != NULL;
}

void agent_program_get(struct api_call *call)
{
    if (is_agent(call)) {
        send_file(call);
        return;
    }
    start_check(call, on_file_checked);
}

void agent_image_get(struct api_call *call)
{
    start_check(call, on_file_checked);
}
