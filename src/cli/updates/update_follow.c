#include "cli/updates/update_follow.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/terminal.h"
#include "cli/common/text.h"
#include "cli/updates/update_bars.h"

#include <errno.h>
#include <string.h>

#define POLL_MS      250
#define TIMEOUT_MS   10000 /* of a request for the state: bounds how long ^C is delayed */
#define MAX_OUTPUT   ((size_t)256 * 1024)
#define DEFAULT_COLS 80
#define DEFAULT_ROWS 24

void update_watch_done(struct update_watch *w)
{
    free(TAKE_PTR(w->word));
    free(TAKE_PTR(w->update_id));
    json_decref(TAKE_PTR(w->record));
}

int update_follow_start(struct update_follow *f, struct client *c, struct error *err)
{
    return polling_start(&f->polling, c, err);
}

int update_print_outcome(const char *word, const json_t *record)
{
    const char *state = member_text(record, "state");
    const char *why = member_text(json_object_get(record, "error"), "text");

    if (str_eq(state, "done") && !*member_text(record, "new_container_id")) {
        output_line("%s: has the image already, nothing was changed", word);
        return 0;
    }
    if (str_eq(state, "kept") || str_eq(state, "done")) {
        output_line("%s: updated to %s", word, member_text(record, "new_image"));
        if (str_eq(state, "kept"))
            output_note("(the old container is kept: `dockmon rollback %s` starts it again)", word);
        return 0;
    }
    if (str_eq(state, "cancelled")) {
        return output_failure(word, "the update was cancelled; the old container was not stopped");
    }
    if (str_eq(state, "rolled_back")) {
        _cleanup_free_ char *text = xasprintf(
            "the update failed and was rolled back, the old container is in place: %s",
            *why ? why : "no reason was reported");

        return output_failure(word, text);
    }
    return output_failure(word, *why ? why : "the update failed, and no reason was reported");
}

static void erase_bars(struct update_follow *f)
{
    _cleanup_free_ char *escape = xasprintf("\x1b[%zuA\r\x1b[J", f->n_bar_lines);

    if (f->n_bar_lines > 0)
        output_raw(escape, strlen(escape));
    f->n_bar_lines = 0;
}

static void draw_bars(struct update_follow *f)
{
    struct buf out = BUF_INIT(MAX_OUTPUT);
    int cols = DEFAULT_COLS, rows = DEFAULT_ROWS;
    size_t max;

    (void)terminal_size(&cols, &rows);
    max = rows > 2 ? (size_t)rows - 1 : 1;
    for (size_t i = 0; i < f->n; i++) {
        const struct update_watch *w = &f->watches[i];

        if (w->record && !w->is_over) {
            f->n_bar_lines += update_bars_print(w->word, w->record, cols - 1, max - f->n_bar_lines,
                                                &out);
        }
    }
    output_raw(buf_str(&out), out.size);
    buf_done(&out);
}

/* Takes the answer about one update. */
static void take_record(struct update_follow *f, struct update_watch *w, json_t *record)
{
    struct buf out = BUF_INIT(MAX_OUTPUT);

    if (!output_is_terminal())
        update_bars_print_changes(w->word, w->record, record, &out);
    output_raw(buf_str(&out), out.size);
    buf_done(&out);
    json_decref(w->record);
    w->record = json_incref(record);
    w->is_over = !str_eq(member_text(record, "state"), "running");
    if (w->is_over && update_print_outcome(w->word, record))
        f->exit_code = 1;
}

/* A server that is away is asked again; an update that it does not have ends the watch. */
static void take_failure(struct update_follow *f,
                         struct update_watch *w,
                         const struct client_request *r)
{
    if (r->code != -ENOENT && r->code != -EACCES && r->code != -EPERM) {
        if (!f->was_away)
            output_note(MSG_TRYING_AGAIN, r->error);
        f->was_away = true;
        return;
    }
    w->is_over = true;
    f->exit_code = output_failure(w->word, r->error);
}

/* Asks for the state of each update that is not over. Returns how many are left. */
static size_t poll_all(struct update_follow *f)
{
    _cleanup_free_ struct client_request *requests = xcalloc(f->n, sizeof(*requests));
    _cleanup_free_ struct update_watch **asked = xcalloc(f->n, sizeof(struct update_watch *));
    size_t n = 0, n_left = 0;
    bool has_answer = false;

    for (size_t i = 0; i < f->n; i++) {
        if (f->watches[i].is_over)
            continue;
        asked[n] = &f->watches[i];
        requests[n].method = "GET";
        requests[n].path = xasprintf("/api/updates/%s", asked[n]->update_id);
        n++;
    }
    client_run(f->polling.client, requests, n);
    erase_bars(f);
    for (size_t i = 0; i < n; i++) {
        has_answer = has_answer || requests[i].code == 0;
        if (requests[i].code == 0) {
            take_record(f, asked[i], requests[i].json);
        } else {
            take_failure(f, asked[i], &requests[i]);
        }
        n_left += !asked[i]->is_over;
        client_request_done(&requests[i]);
    }
    f->was_away = f->was_away && !has_answer;
    return n_left;
}

static int explain_interruption(const struct update_follow *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const char *word = f->watches[i].word;

        if (!f->watches[i].is_over) {
            output_note("(the update of %s goes on: `dockmon updates --follow` follows it, "
                        "`dockmon update --cancel %s` cancels it)",
                        word, word);
        }
    }
    return polling_exit_code(&f->polling);
}

int update_follow_run(struct update_follow *f)
{
    client_set_timeout(f->polling.client, TIMEOUT_MS);
    while (poll_all(f) > 0) {
        if (f->polling.signal)
            return explain_interruption(f);
        if (output_is_terminal())
            draw_bars(f);
        if (!output_flush())
            return 1;
        polling_pause(&f->polling, POLL_MS);
    }
    return f->exit_code;
}
