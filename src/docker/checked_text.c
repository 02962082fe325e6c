#include "docker/checked_text.h"
#include "base/alloc.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

int checked_text_init(struct checked_text *ret, const char *text, size_t size, struct error *err)
{
    int r = json_scan_check(text, size, err);

    if (r < 0)
        return error_wrap(err, r, "answer of the docker engine");
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    while (size > 0 && is_blank(text[0])) {
        text++;
        size--;
    }
    ret->p = xstrndup(text, size);
    ret->p[size] = '\0';
    ret->n = size;
    if (r > 0)
        json_scan_mend(ret->p, size);
    return 0;
}

void checked_text_done(struct checked_text *t)
{
    free(t->p);
    *t = (struct checked_text){0};
}
