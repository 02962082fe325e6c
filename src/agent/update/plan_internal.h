#pragma once

/*
 * The parts of a plan in the making; only plan*.c and difference*.c include this file.
 *
 * A rule reads one field of the inspect and puts zero or more fields into the body. plan_fields.c
 * has the table of rules and calls them in its order.
 */

#include "agent/update/plan.h"
#include <stddef.h>

enum plan_section {
    PLAN_HOST,     /* HostConfig */
    PLAN_CONFIG,   /* Config: the top level of the body */
    PLAN_ENDPOINT, /* NetworkSettings.Networks{} */
};

struct plan_work {
    const struct plan_source *s;
    const char *id;       /* 64 digits */
    const char *name;     /* without the slash */
    const json_t *config; /* of the inspect; these are never NULL */
    const json_t *host;
    const json_t *networks;
    const json_t *mounts;
    const json_t *image;      /* Config of the old image; an empty object: unknown */
    const json_t *probe_host; /* HostConfig of the probe; an empty object: unknown */
    json_t *body;             /* these are owned */
    json_t *body_host;
    json_t *notes;
    json_t *followed; /* names of values that follow the image and change (keys of an object) */
    struct error *err;
};

struct plan_field;
/*
 * `to` is the object that gets the field: the body, its HostConfig or an endpoint. `value` is NULL
 * if the inspect does not have the field, or has null.
 */
typedef int (*plan_rule_fn)(struct plan_work *w,
                            const struct plan_field *f,
                            const json_t *value,
                            json_t *to);

struct plan_field {
    const char *name;    /* a path, for fields of members */
    char letter;         /* C copy, D drop the default, S subtract the image, R resolve, V as C, '-'
                            drop */
    unsigned since;      /* minor API version, 0: before 1.42 */
    unsigned gone_after; /* 0: present in all */
    plan_rule_fn apply;  /* NULL: the general rule of the letter */
};

/* Applies the rules of a section to `from`, then copies fields that have no row. */
int plan_fields_apply(struct plan_work *w,
                      enum plan_section section,
                      const json_t *from,
                      json_t *to);
/* The rows of Podman that replace those of the table; NULL: none. */
const struct plan_field *plan_podman_find(enum plan_section section, const char *name);

/* JSON helpers. Values that are copied into the body are deep copies. */
json_t *plan_mutable(const json_t *v);      /* for iterators of jansson, which do not change it */
const json_t *plan_object(const json_t *v); /* itself, or an empty object */
const json_t *plan_array(const json_t *v);  /* itself, or an empty array */
bool plan_is_empty(const json_t *v);        /* NULL, null, "", 0, false, [], {} */
bool plan_array_has(const json_t *array, const char *s);
void plan_array_add(json_t *array, json_t *v); /* takes ownership */
json_t *plan_set_of(const json_t *array);      /* the strings as keys of an object */
void plan_copy(json_t *to, const char *key, const json_t *value); /* NULL, null: nothing */
bool plan_is_true(const json_t *object, const char *key);
void plan_note(struct plan_work *w, const char *code, const char *fmt, ...) _printf_(3, 4);
void plan_follow(struct plan_work *w, const char *name, const json_t *before, const json_t *after);

/* plan_image.c: subtraction of the old image. */
int plan_image_value(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_image_env(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_image_pair(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_image_healthcheck(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_image_labels(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_image_ports(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_image_volumes(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_image_reference(struct plan_work *, const struct plan_field *, const json_t *, json_t *);

/* plan_defaults.c: values that the engine fills in. */
int plan_default_probe(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_empty(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_swap(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_swappiness(struct plan_work *,
                            const struct plan_field *,
                            const json_t *,
                            json_t *);
int plan_default_cpu(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_console(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_paths(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_log(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_ulimits(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_cgroupns(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_security(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_default_devices(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
/* Whether a list of MaskedPaths or ReadonlyPaths is one that an engine has filled in. */
bool plan_default_is_known(const char *name, const json_t *paths);
/* `ulimits` without those that `defaults` has as well; both arrays. To be released. */
json_t *plan_default_subtract_ulimits(const json_t *ulimits, const json_t *defaults);

/* plan_reference.c: other containers, by name. */
int plan_reference_mode(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_reference_ipc(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_reference_volumes(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_reference_links(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_reference_endpoint_links(struct plan_work *,
                                  const struct plan_field *,
                                  const json_t *,
                                  json_t *);
/* The inspect of a container by id, name or beginning of the id (12 digits or more), or NULL. */
const json_t *plan_reference_find(const struct plan_source *s, const char *reference);

/* plan_network.c */
int plan_network_mode(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_network_hostname(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_network_domainname(struct plan_work *,
                            const struct plan_field *,
                            const json_t *,
                            json_t *);
int plan_network_own(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_network_sysctls(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_network_aliases(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_network_ipam(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
/* Fills NetworkingConfig, and `connect` for older engines; after all fields. */
int plan_network_finish(struct plan_work *w, json_t *connect);
bool plan_network_is_shared(const struct plan_work *w); /* container:X */
bool plan_network_is_default(const char *network); /* the bridge of the engine, for Podman too */
/* The key of `networks` that a NetworkMode means (name, id or beginning of one), or NULL. */
const char *plan_network_find(const json_t *networks, const char *mode);

/* plan_ports.c */
int plan_ports_bindings(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_ports_all(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
bool plan_ports_is_published(const struct plan_work *w, const char *port);

/* plan_storage.c */
int plan_storage_binds(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
int plan_storage_mounts(struct plan_work *, const struct plan_field *, const json_t *, json_t *);
/* Attaches anonymous volumes, keeps writable mounts below read-only binds; after all fields. */
int plan_storage_finish(struct plan_work *w);
/* The destination of "SOURCE:DESTINATION[:OPTIONS]"; false: it has none. To be released. */
bool plan_storage_parse_bind(const char *bind,
                             char **ret_source,
                             char **ret_to,
                             char **ret_options);
/* Whether two paths in the container are the same but for slashes. */
bool plan_storage_is_same_path(const char *a, const char *b);

/* plan_podman.c */
int plan_podman_check(struct plan_work *w);  /* refusals */
int plan_podman_finish(struct plan_work *w); /* settings that only annotations show */
bool plan_podman_is_own_env(const struct plan_source *s, const char *env);
bool plan_podman_is_own_annotation(const char *key);
int plan_podman_signal(const char *s); /* number of "15", "SIGTERM", "term"; 0: unknown */
