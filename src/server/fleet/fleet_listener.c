#include "server/fleet/fleet_listener.h"

void fleet_add_listener(struct fleet *f, struct fleet_listener *l)
{
    listeners_add(fleet_listeners(f), &l->base);
}

void fleet_remove_listener(struct fleet_listener *l)
{
    listeners_remove(&l->base);
}

void fleet_notify_host(struct fleet *f, const struct fleet_host *h)
{
    listeners_emit(fleet_listeners(f), struct fleet_listener, on_host, h);
}

void fleet_drop_host(struct fleet *f, const char *host_id)
{
    const struct fleet_host *h = fleet_find_host(f, host_id);

    if (h)
        listeners_emit(fleet_listeners(f), struct fleet_listener, on_host_removal, h);
    fleet_remove_host(f, host_id);
}

void fleet_notify_containers(struct fleet *f, const struct fleet_host *h)
{
    listeners_emit(fleet_listeners(f), struct fleet_listener, on_containers, h);
}

void fleet_notify_samples(struct fleet *f, const struct fleet_host *h, const struct samples *batch)
{
    listeners_emit(fleet_listeners(f), struct fleet_listener, on_samples, h, batch);
}

void fleet_notify_event(struct fleet *f, const struct event *e)
{
    listeners_emit(fleet_listeners(f), struct fleet_listener, on_event, e);
}

void fleet_notify_progress(struct fleet *f, const char *type, json_t *data)
{
    listeners_emit(fleet_listeners(f), struct fleet_listener, on_progress, type, data);
}
