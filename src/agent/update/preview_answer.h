#pragma once

/* Builds the answer of a preview (preview.h) from the material. Pure functions. */

#include "agent/update/material.h"
#include "agent/update/plan.h"
#include "base/error.h"
#include "proto/update.h"

#define PREVIEW_MAX_PATH   1024               /* bytes of one lost path */
#define PREVIEW_MAX_PATHS  ((size_t)32 << 10) /* bytes of all that are listed */
#define PREVIEW_MAX_CHANGE 4096               /* bytes of a value that changes */

struct preview_facts { /* all borrowed */
    const struct material *material;
    const char *new_image;   /* reference; "": unknown */
    const char *platform;    /* NULL: unknown */
    const char *digest;      /* of the new image in its registry; NULL: unknown */
    bool is_pulled;          /* material->new_image is the new image, else that of the container */
    const struct plan *plan; /* NULL: none could be made */
    const struct plan_source *source; /* of the plan */
    const json_t *dependents;         /* of dependents_find(); NULL: unknown */
    const struct error *refused;      /* NULL: it is not refused */
};

/* Adds what the preview knows beside the plan: {"code", "text"}. Takes no ownership. */
void preview_add_note(json_t *notes, const char *code, const char *text);

/* The fields of update_preview; `notes` are those of the plan and others. To be released. */
json_t *preview_make_answer(const struct preview_facts *f,
                            json_t *notes,
                            char ret_fingerprint[UPDATE_FINGERPRINT_LEN + 1]) _nodiscard_;
