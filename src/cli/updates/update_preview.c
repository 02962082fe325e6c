#include "cli/updates/update_preview.h"
#include "base/alloc.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/text.h"

#include <stdlib.h>

/* Borrowed members of one image in a preview. */
struct image_members {
    const char *label, *id, *digest, *created, *size;
};

/* An image that was not pulled has a digest only. */
static void print_image(const json_t *p, const struct image_members *m)
{
    _cleanup_free_ char *age = text_ago(member_text(p, m->created), time_utc_ms(), "unknown");
    _cleanup_free_ char *size = text_size(member_integer(p, m->size));
    const char *digest = member_text(p, m->digest), *id = member_text(p, m->id);

    if (*id)
        output_line("  %s  %s  created %s  %s", m->label, id, age, size);
    if (*digest)
        output_line("  %s  digest %s", m->label, digest);
}

/* JSON in one line; "(none)" for an absent value. To be freed. */
static char *make_value(const json_t *v)
{
    char *text = v && !json_is_null(v) ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *copy = xstrdup(text ? text : "(none)");

    free(text);
    return copy;
}

static void print_changes(const json_t *p)
{
    const json_t *changes = json_object_get(p, "changes");

    for (size_t i = 0; i < json_array_size(changes); i++) {
        const json_t *change = json_array_get(changes, i);
        _cleanup_free_ char *before = make_value(json_object_get(change, "before"));
        _cleanup_free_ char *after = make_value(json_object_get(change, "after"));

        output_line("  changed    %s: %s -> %s", member_text(change, "path"), before, after);
    }
}

static void print_losses(const json_t *p)
{
    const json_t *paths = json_object_get(p, "lost_paths");
    size_t n = json_array_size(paths);
    json_int_t total = member_integer(p, "lost_paths_total");

    for (size_t i = 0; i < n; i++) {
        const char *path = json_string_value(json_array_get(paths, i));

        output_line("  lost       %s", path ? path : "");
    }
    if (total > (json_int_t)n)
        output_line("  lost       and %lld other paths", (long long)(total - (json_int_t)n));
}

static void print_others(const json_t *p)
{
    const json_t *dependents = json_object_get(p, "dependents");
    const json_t *notes = json_object_get(p, "notes");
    const json_t *compose = json_object_get(p, "compose");

    for (size_t i = 0; i < json_array_size(dependents); i++) {
        const json_t *d = json_array_get(dependents, i);
        const char *reason = member_text(d, "reason");

        output_line("  dependent  %s: %s%s%s", member_text(d, "name"), member_text(d, "action"),
                    *reason ? ": " : "", reason);
    }
    if (json_is_object(compose)) {
        const char *reason = member_text(compose, "reason");

        output_line("  compose    service %s of project %s: the next `up` %s%s%s",
                    member_text(compose, "service"), member_text(compose, "project"),
                    member_is_true(compose, "will_recreate") ? "recreates it"
                                                             : "does not recreate it",
                    *reason ? ": " : "", reason);
    }
    for (size_t i = 0; i < json_array_size(notes); i++)
        output_line("  note       %s", member_text(json_array_get(notes, i), "text"));
}

int update_preview_print(const char *word, const char *image, const json_t *preview)
{
    static const struct image_members old = {"old image", "image_id", "digest", "created", "size"};
    static const struct image_members new = {"new image", "new_image_id", "new_digest",
                                             "new_created", "new_size"};
    const json_t *refused = json_object_get(preview, "refused");
    const char *fingerprint = member_text(preview, "fingerprint");

    output_line("%s: %s -> %s%s", word, member_text(preview, "image"),
                member_text(preview, "new_image"),
                member_is_true(preview, "is_update") ? "" : " (the same image)");
    print_image(preview, &old);
    print_image(preview, &new);
    print_changes(preview);
    print_losses(preview);
    print_others(preview);
    if (json_is_object(refused))
        return output_failure(word, member_text(refused, "text"));
    if (*fingerprint) {
        output_line("  to update exactly this: dockmon update%s%s --fingerprint %s %s",
                    image ? " --image " : "", image ? image : "", fingerprint, word);
    }
    return 0;
}
