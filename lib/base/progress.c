/* The account and its line; see progress.h. What the signal's handler calls is safe in one: no stdio, no memory, no locks. */
#include "base/progress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/msg.h"
#include "base/progress_account.h"

static Progress own = {.step = -1, .batch = -1, .batch_of = -1, .queue = -1, .device_bytes = -1};
static Progress *_Atomic account = &own;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; /* of texts */

const Progress *progress_get(void)
{
    return account;
}

static Progress *moving(void)
{
    Progress *p = account;
    p->moved = seconds_now();
    return p;
}

void progress_move(Progress *where)
{
    memcpy((void *)where, (const void *)account, sizeof *where);
    account = where;
}

/* ---- the line ---- */

typedef struct Line {
    char *out;
    size_t n, size;
} Line;

static void put_text(Line *l, const char *text)
{
    while (*text && l->n + 1 < l->size)
        l->out[l->n++] = *text++;
    l->out[l->n] = '\0';
}

static void put_count(Line *l, uint64_t n)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    put_text(l, digits + at);
}

static void put_tenths(Line *l, double x)
{
    uint64_t tenths = x > 0 && x < 1e15 ? (uint64_t)(x * 10 + 0.5) : 0;
    put_count(l, tenths / 10);
    put_text(l, ".");
    put_count(l, tenths % 10);
}

static void put_duration(Line *l, double seconds)
{
    uint64_t s = seconds > 0 && seconds < 1e12 ? (uint64_t)(seconds + 0.5) : 0;
    if (s < 120) {
        put_count(l, s);
        put_text(l, " s");
    } else if (s < 7200) {
        put_count(l, s / 60);
        put_text(l, " min");
    } else {
        put_count(l, s / 3600);
        put_text(l, " h ");
        put_count(l, s / 60 % 60);
        put_text(l, " min");
    }
}

double progress_eta(const Progress *p, double now)
{
    const uint64_t total = p->phase_total, done = p->phase_done;
    if (total > 0)
        return done > 0 && done <= total ? (now - p->phase_began) * (double)(total - done) / (double)done : -1;
    double moved = p->reached - p->reached_first, left = p->goal - p->reached;
    return p->goal > 0 && moved > 0 && left >= 0 ? (now - p->goal_began) * left / moved : -1;
}

static void put_phase(Line *l, const Progress *p)
{
    const uint64_t total = p->phase_total, done = p->phase_done;
    if (total == 0)
        return;
    put_text(l, ", ");
    put_text(l, p->phase);
    put_text(l, " ");
    put_count(l, done < total ? (uint64_t)(100 * (double)done / (double)total) : 100);
    put_text(l, " %");
}

static void put_position(Line *l, const Progress *p)
{
    if (p->step >= 0) {
        put_text(l, ", step ");
        put_count(l, (uint64_t)p->step);
    }
    if (p->steps > 0) {
        put_text(l, " of ");
        put_count(l, (uint64_t)p->steps);
    }
    if (p->batch >= 0 && p->batch_of > 0) {
        put_text(l, ", ");
        put_count(l, (uint64_t)p->batch_records);
        put_text(l, " of ");
        put_count(l, (uint64_t)p->batch_of);
        put_text(l, " in batch ");
        put_count(l, (uint64_t)p->batch);
    }
}

size_t progress_line(char *out, size_t size)
{
    static const char *const waits[] = {"", ", waits for input", ", waits for output", ", waits for a policy"};
    const Progress *p = account;
    Line l = {out, 0, size};
    double now = seconds_now(), eta = progress_eta(p, now), seconds = now - p->began;
    uint64_t count = p->read > 0 ? p->read : p->written;
    put_text(&l, progname);
    put_text(&l, ": ");
    if (p->unit[0]) {
        put_count(&l, count);
        put_text(&l, " ");
        put_text(&l, p->unit);
        put_text(&l, ", ");
        put_tenths(&l, (double)count / (seconds + 1e-9));
        put_text(&l, "/s");
    } else {
        put_text(&l, "at work for ");
        put_duration(&l, seconds);
    }
    put_position(&l, p);
    put_phase(&l, p);
    if (p->failed > 0) {
        put_text(&l, ", ");
        put_count(&l, p->failed);
        put_text(&l, " failed");
    }
    if (eta >= 0) {
        put_text(&l, ", ");
        put_duration(&l, eta);
        put_text(&l, " to go");
    }
    if (p->figure[0]) {
        put_text(&l, ", ");
        put_text(&l, p->figure);
    }
    put_text(&l, waits[p->waits]);
    return l.n;
}

static _Atomic int terminal = -1; /* whether stderr is one that lines are to be shown on; not known yet */

void progress_quiet(void)
{
    terminal = 0;
}

void progress_show(void)
{
    static _Atomic double printed;
    char line[512];
    if (terminal < 0)
        terminal = isatty(STDERR_FILENO);
    double now = seconds_now();
    if (!terminal || now - printed < 0.1)
        return;
    printed = now;
    progress_line(line, sizeof line);
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    account->shown = true;
}

void progress_hide(void)
{
    Progress *p = account;
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

/* ---- the signal ---- */

static void on_signal(int signal)
{
    int saved = errno;
    char line[512] = "\r\033[K";
    size_t at = account->shown ? strlen(line) : 0;
    (void)signal;
    size_t n = at + progress_line(line + at, sizeof line - at - 1);
    line[n++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
    errno = saved;
}

void progress_signals(void)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &act, NULL);
    own.began = own.moved = seconds_now();
}

/* ---- what moves ---- */

void progress_begin(const char *unit)
{
    Progress *p = moving();
    p->began = p->moved;
    snprintf(p->unit, sizeof p->unit, "%s", unit);
}

void progress_goal(double goal, double reached)
{
    Progress *p = moving();
    p->goal_began = p->moved;
    p->reached_first = reached;
    p->reached = reached;
    p->goal = goal;
}

void progress_reached(double reached)
{
    moving()->reached = reached;
}

void progress_files(char **paths, int n)
{
    double bytes = 0;
    struct stat st;
    for (int i = 0; i < n; i++) {
        bool there = strcmp(paths[i], "-") == 0 ? fstat(STDIN_FILENO, &st) == 0 : stat(paths[i], &st) == 0;
        if (!there || !S_ISREG(st.st_mode))
            return;
        bytes += (double)st.st_size;
    }
    progress_goal(bytes, 0);
}

void progress_bytes(size_t n)
{
    Progress *p = moving();
    p->reached = p->reached + (double)n;
}

void progress_phase(const char *verb, const char *what, uint64_t total)
{
    Progress *p = moving();
    const size_t room = sizeof p->phase - strlen(verb) - 2, n = strlen(what);
    snprintf(p->phase, sizeof p->phase, "%s %s", verb, what + (n > room ? n - room : 0));
    p->phase_began = p->moved;
    p->phase_done = 0;
    p->phase_total = total;
}

void progress_phase_done(uint64_t n)
{
    moving()->phase_done += n;
    progress_show();
}

void progress_phase_end(void)
{
    Progress *p = moving();
    if (p->reached == p->reached_first) /* the records' pace is not that of the phase before them */
        p->goal_began = p->moved;
    p->phase_total = 0;
    progress_hide();
}

void progress_read(void)
{
    moving()->read++;
}

void progress_wrote(void)
{
    moving()->written++;
}

void progress_failed(uint64_t n)
{
    moving()->failed += n;
}

void progress_moved(void)
{
    moving();
}

ProgressWait progress_wait(ProgressWait what)
{
    Progress *p = account;
    ProgressWait before = (ProgressWait)p->waits;
    if (before != what)
        p->waits_since = seconds_now();
    p->waits = (int)what;
    return before;
}

void progress_batch(int64_t index, int64_t records, int64_t of)
{
    Progress *p = moving();
    p->batch_records = records;
    p->batch_of = of;
    p->batch = index;
}

void progress_step(int64_t step, int64_t steps)
{
    Progress *p = moving();
    p->steps = steps;
    p->step = step;
}

void progress_queue(int64_t depth, int64_t room)
{
    Progress *p = account;
    p->queue_of = room;
    p->queue = depth;
}

void progress_threads(int n)
{
    account->threads = n;
}

void progress_device(const char *name)
{
    Progress *p = account;
    snprintf(p->device, sizeof p->device, "%s", name);
}

void progress_device_memory(int64_t bytes)
{
    account->device_bytes = bytes;
}

void progress_figure(const char *text)
{
    Progress *p = account;
    snprintf(p->figure, sizeof p->figure, "%s", text);
}

/* ---- texts ---- */

static Progress *texts_begin(void)
{
    pthread_mutex_lock(&writing);
    Progress *p = account;
    p->texts++;
    return p;
}

static void texts_end(Progress *p)
{
    p->texts++;
    pthread_mutex_unlock(&writing);
}

void progress_metrics(const char *json)
{
    Progress *p = texts_begin();
    if (snprintf(p->metrics, sizeof p->metrics, "%s", json) >= (int)sizeof p->metrics)
        p->metrics[0] = '\0'; /* half an object is none */
    texts_end(p);
}

void progress_warning(const char *text)
{
    Progress *p = texts_begin();
    int64_t last = 0;
    for (int i = 0; i < PROGRESS_WARNINGS; i++)
        last = p->warnings[i].number > last ? p->warnings[i].number : last;
    ProgressWarning *w = &p->warnings[(last + 1) % PROGRESS_WARNINGS];
    w->number = last + 1;
    w->at = seconds_now();
    snprintf(w->text, sizeof w->text, "%s", text);
    texts_end(p);
}
