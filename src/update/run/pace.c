/* How far a run is; see pace.h. */
#include "update/run/pace.h"

#include "base/clock.h"
#include "base/progress.h"

void pace_begin(Pace *p, int64_t step, int64_t steps, int64_t batch)
{
    *p = (Pace){step, steps, batch, seconds_now()};
    progress_step(step, steps);
    if (steps > 0)
        progress_goal((double)steps, (double)step);
}

void pace_record(const Pace *p, int64_t index, int64_t n, bool counts)
{
    progress_batch(index, n, p->batch > 0 ? p->batch : -1);
    if (p->steps > 0 && p->batch >= n && counts)
        progress_reached((double)p->step + (double)n / (double)p->batch);
}

double pace_seconds(const Pace *p)
{
    return seconds_now() - p->since;
}

void pace_step(Pace *p, int64_t step, int64_t n)
{
    p->step = step;
    p->batch = n;
    p->since = seconds_now();
    progress_step(step, p->steps);
    if (p->steps > 0)
        progress_reached((double)step);
    progress_show();
}
