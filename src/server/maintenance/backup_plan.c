#include "server/maintenance/backup_plan.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define HOURLY "hourly@"
#define DAILY  "daily@"

/* Returns the number of two digits below `limit`, or -1. */
static int read_number(const char *text, int limit)
{
    int n;

    if (!isdigit((unsigned char)text[0]) || !isdigit((unsigned char)text[1]))
        return -1;
    n = (text[0] - '0') * 10 + text[1] - '0';
    return n < limit ? n : -1;
}

int backup_plan_parse(const char *text, struct backup_plan *ret, struct error *err)
{
    struct backup_plan plan = {0};
    const char *rest = NULL;

    if (str_starts_with(text, HOURLY)) {
        plan.is_hourly = true;
        rest = text + strlen(HOURLY);
    } else if (str_starts_with(text, DAILY)) {
        rest = text + strlen(DAILY);
        plan.hour = read_number(rest, 24);
        rest = plan.hour >= 0 && rest[2] == ':' ? rest + 3 : NULL;
    }
    plan.minute = rest ? read_number(rest, 60) : -1;
    if (plan.minute < 0 || rest[2] != '\0')
        return error_set(err, -EINVAL, "`%s` is neither daily@HH:MM nor hourly@MM", text);
    *ret = plan;
    return 0;
}

/*
 * Returns the time of the plan in the day or hour that is `shift` after the one of now_ms. mktime()
 * finds the offset of that day, and moves a time that daylight saving time skips.
 */
static int64_t find_ms(const struct backup_plan *plan, int64_t now_ms, int shift)
{
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm tm;

    if (!localtime_r(&now_s, &tm))
        return now_ms;
    tm.tm_sec = 0;
    tm.tm_min = plan->minute;
    tm.tm_isdst = -1;
    if (plan->is_hourly) {
        tm.tm_hour += shift;
    } else {
        tm.tm_hour = plan->hour;
        tm.tm_mday += shift;
    }
    return (int64_t)mktime(&tm) * 1000;
}

int64_t backup_plan_next_ms(const struct backup_plan *plan, int64_t now_ms)
{
    for (int shift = 0; shift < 3; shift++) {
        int64_t at_ms = find_ms(plan, now_ms, shift);

        if (at_ms > now_ms)
            return at_ms;
    }
    return now_ms + INT64_C(3600) * 1000; /* the hour that is repeated when daylight saving ends */
}

int64_t backup_plan_last_ms(const struct backup_plan *plan, int64_t now_ms)
{
    int64_t at_ms = now_ms;

    for (int shift = 0; shift < 3; shift++) {
        at_ms = find_ms(plan, now_ms, -shift);
        if (at_ms <= now_ms)
            break;
    }
    return at_ms;
}
