/* The progress line; see progress.h. */
#include "base/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/msg.h"

void progress_init(Progress *p, const char *unit, uint64_t total)
{
    *p = (Progress){.unit = unit, .started = seconds_now(), .total = total, .shown = isatty(STDERR_FILENO)};
}

void progress_update(Progress *p, uint64_t done, const char *extra)
{
    double now;
    if (!p->shown || (now = seconds_now()) - p->printed < 0.1)
        return;
    p->printed = now;
    double rate = (double)done / (now - p->started + 1e-9);
    fprintf(stderr, "\r\033[K%s: %llu %s, %.1f/s", progname, (unsigned long long)done, p->unit, rate);
    if (p->total > done && rate > 0)
        fprintf(stderr, ", %.0f s to go", (double)(p->total - done) / rate);
    if (extra)
        fprintf(stderr, ", %s", extra);
    fflush(stderr);
}

void progress_end(Progress *p)
{
    if (p->shown && p->printed > 0)
        fputs("\r\033[K", stderr);
}
