#include "server/feed/frame.h"
#include "base/container_id.h"
#include "base/str.h"
#include "base/time.h"
#include "server/view/container_json.h"
#include "server/view/fleet_json.h"

#include <string.h>

static const char *const names[FRAME_SECTIONS] = {
    [FRAME_HOSTS] = "hosts",
    [FRAME_REMOVED_HOSTS] = "removed_hosts",
    [FRAME_CONTAINERS] = "containers",
    [FRAME_REMOVED] = "removed",
    [FRAME_HOST_STATS] = "host_stats",
    [FRAME_STATS] = "stats",
    [FRAME_EVENTS] = "events",
    [FRAME_PROGRESS] = "progress",
    [FRAME_JOBS] = "jobs",
};

void frame_init(struct frame *f)
{
    for (unsigned i = 0; i < FRAME_SECTIONS; i++)
        buf_init(&f->sections[i], SIZE_MAX / 2); /* the caller checks frame_size() */
    buf_init(&f->host, SIZE_MAX / 2);
    f->host_of = NULL;
}

void frame_done(struct frame *f)
{
    for (unsigned i = 0; i < FRAME_SECTIONS; i++)
        buf_done(&f->sections[i]);
    buf_done(&f->host);
}

void frame_clear(struct frame *f)
{
    for (unsigned i = 0; i < FRAME_SECTIONS; i++)
        buf_clear(&f->sections[i]);
    f->host_of = NULL;
}

size_t frame_size(const struct frame *f)
{
    size_t size = 0;

    for (unsigned i = 0; i < FRAME_SECTIONS; i++)
        size += f->sections[i].size;
    return size;
}

/* Returns the section, with a comma if an element precedes the next one. */
static struct buf *begin_element(struct frame *f, enum frame_section section)
{
    struct buf *b = &f->sections[section];

    if (b->size > 0)
        (void)buf_append_char(b, ','); /* cannot fail: the buffers have no limit */
    return b;
}

void frame_add_host(struct frame *f, struct fleet_host *h, const struct scope *scope)
{
    fleet_host_write_in(begin_element(f, FRAME_HOSTS), h, scope);
}

void frame_add_container(struct frame *f,
                         struct fleet_host *h,
                         struct fleet_container *c,
                         bool with_secrets)
{
    if (f->host_of != h) {
        buf_clear(&f->host);
        container_host_write(&f->host, h);
        f->host_of = h;
    }
    container_write(begin_element(f, FRAME_CONTAINERS), &f->host, c, h, with_secrets);
}

/* Ids have no characters that JSON escapes. */
void frame_add_removed_host(struct frame *f, const char *host_id)
{
    (void)buf_printf(begin_element(f, FRAME_REMOVED_HOSTS), "\"%s\"", host_id);
}

void frame_add_removed(struct frame *f, const char *host_id, const char *container_id)
{
    (void)buf_printf(begin_element(f, FRAME_REMOVED), "{\"host_id\":\"%s\",\"id\":\"%.*s\"}",
                     host_id, STR_CUT(container_id, CONTAINER_SHORT_ID_LEN));
}

static void add_sampled_at(struct buf *b, const struct fleet_sample *s)
{
    char text[TIME_TEXT_SIZE];

    (void)buf_printf(b, ",\"timestamp\":\"%s\"}", time_format_ms(s->sampled_at_ms, text));
}

void frame_add_host_stats(struct frame *f, const struct fleet_host *h)
{
    const struct fleet_sample *s = &h->sample;
    struct buf *b;

    if (!s->sampled_at_ms)
        return;
    b = begin_element(f, FRAME_HOST_STATS);
    (void)buf_printf(b, "{\"host_id\":\"%s\",", h->row.id);
    host_sample_write(b, ",\"memory_percent\":", ",\"memory_usage\":", s);
    add_sampled_at(b, s);
}

void frame_add_stats(struct frame *f, const struct fleet_host *h, const struct fleet_container *c)
{
    struct buf *b;

    if (!c->sample.sampled_at_ms)
        return;
    b = begin_element(f, FRAME_STATS);
    (void)buf_printf(b, "{\"host_id\":\"%s\",\"id\":\"%.*s\"", h->row.id,
                     STR_CUT(c->id, CONTAINER_SHORT_ID_LEN));
    container_sample_write(b, &c->sample);
    add_sampled_at(b, &c->sample);
}

void frame_add_text(struct frame *f, enum frame_section section, const char *text, size_t size)
{
    (void)buf_append(begin_element(f, section), text, size);
}

void frame_write(const struct frame *f, struct buf *out, const char *type, const char *head)
{
    char now[TIME_TEXT_SIZE];

    (void)buf_printf(out, "{\"type\":\"%s\",\"timestamp\":\"%s\"%s", type,
                     time_format_ms(time_utc_ms(), now), head);
    for (unsigned i = 0; i < FRAME_SECTIONS; i++) {
        const struct buf *b = &f->sections[i];

        if (b->size == 0)
            continue;
        (void)buf_printf(out, ",\"%s\":[", names[i]);
        (void)buf_append(out, b->data, b->size);
        (void)buf_append_char(out, ']');
    }
    (void)buf_append_char(out, '}');
}
