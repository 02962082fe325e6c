#include "docker/checked_text.h"
#include "base/alloc.h"
#include "docker/json_token.h"

#include <string.h>

int checked_text_init(struct checked_text *ret, const char *text, size_t size, struct error *err)
{
    int r = json_scan_check(text, size, err);

    if (r < 0)
        return error_wrap(err, r, "answer of the docker engine");
    while (size > 0 && json_is_space(text[size - 1]))
        size--;
    while (size > 0 && json_is_space(text[0])) {
        text++;
        size--;
    }
    ret->p = xmalloc(size + 1);
    memcpy(ret->p, text, size);
    ret->p[size] = '\0';
    ret->n = size;
    if (r > 0) {
        ret->n = json_scan_mend(ret->p, size);
        ret->p[ret->n] = '\0';
    }
    return 0;
}

void checked_text_done(struct checked_text *t)
{
    free(t->p);
    *t = (struct checked_text){0};
}
