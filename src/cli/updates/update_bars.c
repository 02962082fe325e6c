#include "cli/updates/update_bars.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/text.h"

#define BAR_WIDTH   30
#define PERCENT_ALL 100

/* Takes ownership of `line`. A line that does not fit is left out. */
static void append_line(struct buf *out, char *line, int cols)
{
    _cleanup_free_ char *text = TAKE_PTR(line);
    _cleanup_free_ char *safe = text_escape_str(text);
    _cleanup_free_ char *cut = cols > 0 ? text_cut(safe, (size_t)cols) : xstrdup(safe);

    (void)buf_printf(out, "%s\n", cut);
}

static double get_percent(const json_t *object, const char *name)
{
    double v = json_number_value(json_object_get(object, name));

    return v >= 0 && v <= PERCENT_ALL ? v : 0; /* also for NaN */
}

/* "[======>       ]", to be freed. */
static char *make_bar(double percent)
{
    struct buf bar = BUF_INIT(BAR_WIDTH + 2);
    int n_full = (int)(percent * BAR_WIDTH / PERCENT_ALL);

    (void)buf_append_char(&bar, '[');
    for (int i = 0; i < BAR_WIDTH; i++)
        (void)buf_append_char(&bar, (char)(i < n_full ? '=' : i == n_full ? '>' : ' '));
    (void)buf_append_char(&bar, ']');
    return buf_take(&bar);
}

/* " 12MB/25MB" while bytes are counted, else "". To be freed. */
static char *make_bytes(const json_t *layer)
{
    json_int_t total = member_integer(layer, "total");
    _cleanup_free_ char *now = text_size(member_integer(layer, "current"));
    _cleanup_free_ char *all = text_size(total);

    return total > 0 ? xasprintf(" %s/%s", now, all) : xstrdup("");
}

static char *make_layer_line(const json_t *layer)
{
    double percent = get_percent(layer, "percent");
    _cleanup_free_ char *bar = make_bar(percent), *bytes = make_bytes(layer);

    return xasprintf("  %-12s %s %3d%% %s%s", member_text(layer, "id"), bar, (int)percent,
                     member_text(layer, "status"), bytes);
}

/* The array of layers while the image is pulled, else NULL. */
static const json_t *find_layers(const json_t *update)
{
    const json_t *progress = json_object_get(update, "layers");
    bool is_pulled = get_percent(progress, "overall_progress") >= PERCENT_ALL;

    return is_pulled ? NULL : json_object_get(progress, "layers");
}

static const char *find_step(const json_t *update)
{
    return member_is_true(update, "is_rolling_back") ? "rolling back" : member_text(update, "step");
}

size_t update_bars_print(
    const char *word, const json_t *update, int cols, size_t max_lines, struct buf *out)
{
    const json_t *layers = find_layers(update);
    size_t n = json_array_size(layers), n_lines = 1;
    const char *summary = member_text(json_object_get(update, "layers"), "summary");

    if (max_lines == 0)
        return 0;
    append_line(out,
                xasprintf("%s: %s%s%s", word, find_step(update), n > 0 && *summary ? ": " : "",
                          n > 0 ? summary : ""),
                cols);
    for (size_t i = 0; i < n && n_lines < max_lines; i++, n_lines++)
        append_line(out, make_layer_line(json_array_get(layers, i)), cols);
    return n_lines;
}

/* The status of a layer in an earlier record; "" if it was not known. */
static const char *find_status(const json_t *update, const char *id)
{
    const json_t *layers = json_object_get(json_object_get(update, "layers"), "layers");

    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i);

        if (str_eq(member_text(layer, "id"), id))
            return member_text(layer, "status");
    }
    return "";
}

void update_bars_print_changes(const char *word,
                               const json_t *before,
                               const json_t *update,
                               struct buf *out)
{
    const json_t *layers = json_object_get(json_object_get(update, "layers"), "layers");

    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i);
        const char *id = member_text(layer, "id"), *status = member_text(layer, "status");

        if (!str_eq(status, find_status(before, id)))
            append_line(out, xasprintf("%s: %s: %s", word, id, status), 0);
    }
    if (!str_eq(find_step(update), find_step(before)))
        append_line(out, xasprintf("%s: %s", word, find_step(update)), 0);
}
