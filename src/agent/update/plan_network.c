#include "agent/update/plan_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define SHORT_ID       12
#define OPTION_SYSCTLS "com.docker.network.endpoint.sysctls"
/* Minor versions of the API in which something changed. */
#define API_ENDPOINTS  44 /* create takes several endpoints, with their MAC addresses */
#define API_ALIASES    45 /* aliases come without the own id and host name */
#define API_RANDOM_MAC 48 /* generated addresses are random */
#define API_SYSCTLS    48 /* sysctls of interfaces belong to their endpoint */
#define API_NO_MAC     52 /* Config.MacAddress was removed */

static const char *get_mode(const struct plan_work *w)
{
    const char *mode = json_text_get(w->host, "NetworkMode");

    return mode ? mode : "";
}

bool plan_network_is_shared(const struct plan_work *w)
{
    return str_starts_with(get_mode(w), "container:");
}

bool plan_network_is_default(const char *network)
{
    return str_eq(network, "bridge") || str_eq(network, "default") || str_eq(network, "podman");
}

static bool has_endpoints(const struct plan_work *w)
{
    const char *mode = get_mode(w);

    return !plan_network_is_shared(w) && !str_eq(mode, "host") && !str_eq(mode, "none") &&
           json_object_size(w->networks) > 0;
}

const char *plan_network_find(const json_t *networks, const char *mode)
{
    const char *name;
    json_t *network;

    if (plan_network_is_default(mode)) {
        json_object_foreach(plan_mutable(networks), name, network)
        {
            if (plan_network_is_default(name))
                return name;
        }
        return NULL;
    }
    json_object_foreach(plan_mutable(networks), name, network)
    {
        if (str_eq(name, mode))
            return name;
    }
    json_object_foreach(plan_mutable(networks), name, network)
    {
        const char *id = json_text_get(network, "NetworkID");

        if (id && strlen(mode) >= SHORT_ID && str_starts_with(id, mode))
            return name;
    }
    return NULL;
}

/* The network of the default route, or the first one if the container has left that; or NULL. */
static const char *find_primary(const struct plan_work *w)
{
    const char *found = plan_network_find(w->networks, get_mode(w));

    if (found || w->s->is_podman)
        return found;
    return json_object_iter_key(json_object_iter(plan_mutable(w->networks)));
}

int plan_network_mode(struct plan_work *w,
                      const struct plan_field *f,
                      const json_t *value,
                      json_t *to)
{
    const char *mode = get_mode(w), *primary;

    if (plan_network_is_shared(w))
        return plan_reference_mode(w, f, value, to);
    if (!has_endpoints(w) || w->s->is_podman) {
        plan_copy(to, f->name, value);
        return 0;
    }
    primary = find_primary(w);
    if (!plan_network_find(w->networks, mode)) {
        plan_note(w, "network_changed",
                  "the container has left its first network %.*s: %.*s replaces it",
                  STR_CUT(mode, 128), STR_CUT(primary, 128));
    }
    if (str_eq(mode, "default") && str_eq(primary, "bridge") && w->s->api_minor < API_ENDPOINTS)
        primary = mode;
    json_text_set(to, f->name, json_text_str(primary));
    return 0;
}

static bool is_own_id(const struct plan_work *w, const char *s)
{
    return strlen(s) == SHORT_ID && str_starts_with(w->id, s);
}

int plan_network_hostname(struct plan_work *w,
                          const struct plan_field *f,
                          const json_t *value,
                          json_t *to)
{
    const char *name = json_is_string(value) ? json_string_value(value) : "";
    bool is_host = str_eq(get_mode(w), "host");

    if (*name == '\0' || is_own_id(w, name) || plan_network_is_shared(w))
        return 0;
    if (str_eq(json_text_get(w->host, "UTSMode"), "host") ||
        (is_host && str_eq(name, w->s->host_name)))
        return 0;
    if (str_is_hex(name, SHORT_ID)) {
        plan_note(w, "hostname_kept",
                  "the host name %s looks like the id of an earlier container and is kept", name);
    }
    plan_copy(to, f->name, value);
    return 0;
}

/* The engine copies the parent's when it starts the container. */
int plan_network_domainname(struct plan_work *w,
                            const struct plan_field *f,
                            const json_t *value,
                            json_t *to)
{
    if (!plan_network_is_shared(w))
        plan_copy(to, f->name, value);
    return 0;
}

int plan_network_own(struct plan_work *w,
                     const struct plan_field *f,
                     const json_t *value,
                     json_t *to)
{
    if (!plan_network_is_shared(w))
        plan_copy(to, f->name, value);
    return 0;
}

/* "net.ipv4.conf.eth0.forwarding": the position of "eth0" and its length; NULL: none. */
static const char *find_interface(const char *sysctl, size_t *ret_length)
{
    const char *p = str_starts_with(sysctl, "net.") ? sysctl : NULL;

    while (p && (p = strstr(p, ".eth"))) {
        size_t digits = strspn(p + 4, "0123456789");

        p += 1;
        if (digits > 0 && p[3 + digits] == '.') {
            *ret_length = 3 + digits;
            return p;
        }
    }
    return NULL;
}

int plan_network_sysctls(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    bool can_move = w->s->api_minor >= API_SYSCTLS && !w->s->is_podman && has_endpoints(w);
    json_t *kept, *item;
    const char *key;
    size_t n;

    if (plan_is_empty(value))
        return 0;
    kept = json_object();
    json_object_foreach(plan_mutable(value), key, item)
    {
        if (!can_move || !find_interface(key, &n))
            plan_copy(kept, key, item);
    }
    if (json_object_size(kept) > 0) {
        json_text_set(to, f->name, kept);
    } else {
        json_decref(kept);
    }
    return 0;
}

/* Sysctls of interfaces that an engine before 28 has stored in HostConfig. */
static void move_sysctls(const struct plan_work *w, json_t *endpoint)
{
    const json_t *sysctls = plan_object(json_object_get(w->host, "Sysctls"));
    json_t *options = json_object_get(endpoint, "DriverOpts"), *item;
    const char *key;
    size_t n;

    json_object_foreach(plan_mutable(sysctls), key, item)
    {
        const char *interface = find_interface(key, &n), *present;
        _cleanup_free_ char *text = NULL;

        if (!interface || !json_is_string(item))
            continue;
        if (!options) {
            options = json_object();
            json_text_set(endpoint, "DriverOpts", options);
        }
        present = json_text_get(options, OPTION_SYSCTLS);
        text = xasprintf("%s%s%.*sIFNAME%s=%s", present ? present : "", present ? "," : "",
                         (int)(interface - key), key, interface + n, json_string_value(item));
        json_text_set(options, OPTION_SYSCTLS, json_text_str(text));
    }
}

int plan_network_aliases(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    const char *hostname = json_text_get(w->config, "Hostname");
    bool adds_hostname = w->s->api_minor < API_ALIASES || w->s->is_podman;
    json_t *kept = json_array(), *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        const char *alias = json_string_value(item);

        if (alias && !is_own_id(w, alias) && !(adds_hostname && str_eq(alias, hostname)))
            plan_array_add(kept, json_incref(item));
    }
    json_text_set(to, f->name, kept);
    return 0;
}

/* Without the members that are empty; {} and null are the same. */
int plan_network_ipam(struct plan_work *w,
                      const struct plan_field *f,
                      const json_t *value,
                      json_t *to)
{
    json_t *kept = json_object(), *member;
    const char *key;

    (void)w;
    json_object_foreach(plan_mutable(plan_object(value)), key, member)
    {
        if (!plan_is_empty(member))
            plan_copy(kept, key, member);
    }
    json_text_set(to, f->name, kept);
    return 0;
}

/* Whether the address is the one that engines before 28 derive from an IPv4 address. */
static bool is_derived_mac(const char *mac, const char *ip)
{
    struct in_addr address;
    unsigned char b[4];
    char text[18];

    if (!ip || inet_pton(AF_INET, ip, &address) != 1)
        return false;
    memcpy(b, &address, sizeof(b));
    (void)snprintf(text, sizeof(text), "02:42:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3]);
    return str_eq(mac, text);
}

/* An address that inspect shows for an endpoint: whether the user has set it. */
static bool is_mac_of_user(struct plan_work *w, const char *name, const json_t *network)
{
    const char *mac = json_text_get(network, "MacAddress");

    if (str_is_empty(mac))
        return false;
    if (mac[1] == '\0' || !strchr("2367abefABEF", mac[1]))
        return true; /* not locally administered, so nothing has generated it */
    if (is_derived_mac(mac, json_text_get(network, "IPAddress")))
        return false;
    if (w->s->api_minor < API_RANDOM_MAC || str_starts_with(mac, "02:42:"))
        return true;
    plan_note(w, "mac_undecidable",
              "the engine does not show whether the MAC address on network %.*s was set by the "
              "user: the new container gets a generated one",
              STR_CUT(name, 128));
    return false;
}

static const char *choose_mac(struct plan_work *w,
                              const char *name,
                              const json_t *network,
                              bool is_primary)
{
    const json_t *view = w->s->api_minor < API_NO_MAC ? w->s->container : w->s->legacy;
    const char *mac;

    if (w->s->is_podman) {
        return w->s->has_consent && !plan_network_is_default(name)
                   ? json_text_get(network, "MacAddress")
                   : NULL;
    }
    if (is_primary && view)
        return json_text_get(json_object_get(view, "Config"), "MacAddress");
    if (w->s->api_minor < API_ENDPOINTS)
        return NULL; /* connecting ignores it, so it was never set */
    mac = is_mac_of_user(w, name, network) ? json_text_get(network, "MacAddress") : NULL;
    return mac;
}

/* Podman does not show which address is static, so with consent the present one becomes static. */
static void freeze_address(struct plan_work *w,
                           const char *name,
                           const json_t *network,
                           json_t *endpoint)
{
    const char *v4 = json_text_get(network, "IPAddress");
    const char *v6 = json_text_get(network, "GlobalIPv6Address");
    json_t *ipam;

    if (str_is_empty(v4) && str_is_empty(v6)) {
        plan_note(w, "address_lost",
                  "Podman shows no address of a stopped container: a static one on network %.*s "
                  "is lost",
                  STR_CUT(name, 128));
        return;
    }
    ipam = json_object();
    if (!str_is_empty(v4))
        json_text_set(ipam, "IPv4Address", json_text_str(v4));
    if (!str_is_empty(v6))
        json_text_set(ipam, "IPv6Address", json_text_str(v6));
    json_text_set(endpoint, "IPAMConfig", ipam);
    plan_note(w, "address_static", "the address %.*s on network %.*s becomes static",
              STR_CUT(str_is_empty(v4) ? v6 : v4, 64), STR_CUT(name, 128));
}

static void remove_empty(json_t *object)
{
    const char *key;
    json_t *member;
    void *next;

    json_object_foreach_safe(object, next, key, member)
    {
        if (plan_is_empty(member))
            (void)json_object_del(object, key);
    }
}

static int make_endpoint(struct plan_work *w, const char *name, const json_t *network, json_t *to)
{
    bool is_primary = str_eq(name, find_primary(w)), is_default = plan_network_is_default(name);
    const char *mac;
    int r;

    r = plan_fields_apply(w, PLAN_ENDPOINT, network, to);
    if (r < 0)
        return r;
    if (is_default) { /* refused there */
        (void)json_object_del(to, "Aliases");
        (void)json_object_del(to, "IPAMConfig");
        (void)json_object_del(to, "Links");
    } else if (w->s->is_podman) {
        freeze_address(w, name, network, to);
    }
    remove_empty(to);
    if (is_primary && w->s->api_minor >= API_SYSCTLS && !w->s->is_podman)
        move_sysctls(w, to);
    mac = choose_mac(w, name, network, is_primary);
    if (str_is_empty(mac))
        return 0;
    if (w->s->api_minor < API_ENDPOINTS) {
        json_text_set(w->body, "MacAddress", json_text_str(mac)); /* of the primary one */
    } else {
        json_text_set(to, "MacAddress", json_text_str(mac));
    }
    return 0;
}

static void connect_later(json_t *connect, const char *name, json_t *endpoint)
{
    json_t *entry = json_object(), *body = json_object();

    json_text_set(body, "EndpointConfig", json_incref(endpoint));
    json_text_set(entry, "network", json_text_str(name));
    json_text_set(entry, "body", body);
    plan_array_add(connect, entry);
}

int plan_network_finish(struct plan_work *w, json_t *connect)
{
    json_auto_t *endpoints = json_object();
    json_t *network, *config;
    const char *name;
    int r;

    if (!has_endpoints(w))
        return 0;
    json_object_foreach(plan_mutable(w->networks), name, network)
    {
        json_auto_t *endpoint = json_object();

        r = make_endpoint(w, name, network, endpoint);
        if (r < 0)
            return r;
        if (w->s->api_minor < API_ENDPOINTS && !str_eq(name, find_primary(w))) {
            connect_later(connect, name, endpoint);
        } else if (json_object_size(endpoint) > 0 || json_object_size(w->networks) > 1 ||
                   !plan_network_is_default(name)) {
            json_text_set(endpoints, name, json_incref(endpoint));
        }
    }
    if (json_object_size(endpoints) == 0)
        return 0;
    config = json_object();
    json_text_set(config, "EndpointsConfig", json_incref(endpoints));
    json_text_set(w->body, "NetworkingConfig", config);
    return 0;
}
