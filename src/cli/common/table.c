#include "cli/common/table.h"

#include "base/alloc.h"
#include "cli/common/text.h"

#include <assert.h>
#include <string.h>

#define GAP       3
#define MIN_WIDTH 10

void table_init(struct table *t, size_t n_columns, const char *const *headers)
{
    assert(n_columns > 0 && n_columns <= TABLE_MAX_COLUMNS);
    *t = (struct table){.n_columns = n_columns};
    for (size_t i = 0; i < n_columns; i++)
        table_add(t, headers[i]);
}

void table_done(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i].text);
    free(TAKE_PTR(t->cells));
    t->n_cells = 0;
}

void table_add(struct table *t, const char *text)
{
    table_add_coloured(t, text, COLOUR_NONE);
}

void table_add_coloured(struct table *t, const char *text, enum table_colour colour)
{
    t->cells = xrealloc(t->cells, t->n_cells + 1, sizeof(*t->cells));
    t->cells[t->n_cells++] = (struct table_cell){text_escape_str(text), colour};
}

static void measure_columns(const struct table *t, size_t widths[TABLE_MAX_COLUMNS])
{
    for (size_t i = 0; i < t->n_columns; i++)
        widths[i] = MIN_WIDTH;
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t width = text_width(t->cells[i].text) + GAP;

        if (width > widths[i % t->n_columns])
            widths[i % t->n_columns] = width;
    }
}

static const char *find_colour_code(enum table_colour colour)
{
    switch (colour) {
    case COLOUR_GREEN: return "\x1b[32m";
    case COLOUR_YELLOW: return "\x1b[33m";
    case COLOUR_RED: return "\x1b[31m";
    case COLOUR_DIM: return "\x1b[2m";
    case COLOUR_NONE: break;
    }
    return NULL;
}

/* A full `out` truncates the output; the caller has chosen its maximum. */
static void print_cell(const struct table_cell *c, size_t width, bool with_colours, struct buf *out)
{
    const char *code = with_colours ? find_colour_code(c->colour) : NULL;
    size_t used = text_width(c->text);

    (void)buf_printf(out, "%s%s%s%*s", code ? code : "", c->text, code ? "\x1b[0m" : "",
                     width > used ? (int)(width - used) : 0, "");
}

void table_print(const struct table *t, bool with_colours, struct buf *out)
{
    size_t widths[TABLE_MAX_COLUMNS];

    assert(t->n_cells % t->n_columns == 0);
    measure_columns(t, widths);
    for (size_t i = 0; i < t->n_cells; i++) {
        bool is_last = i % t->n_columns == t->n_columns - 1;

        print_cell(&t->cells[i], is_last ? 0 : widths[i % t->n_columns], with_colours, out);
        if (is_last)
            (void)buf_append_char(out, '\n');
    }
}
