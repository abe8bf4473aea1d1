/* The process that writes the status file; see status.h. */
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/progress_account.h"

enum { RATE_SECONDS = 10, LAST_WORD_SECONDS = 5 };

/* What the writing process keeps. */
typedef struct Publisher {
    const char *path;
    pid_t program;
    double began, clock; /* began: on the wall clock; clock: what turns seconds_now into it */
    struct {
        double at, records;
    } past[RATE_SECONDS]; /* a ring, by second */
    size_t n;
    json_t *memory; /* owned: as it was last; a program that has ended has none */
    bool failed;    /* to write: said once */
} Publisher;

static double wall_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A time, or null; with milliseconds, which is what tells two apart. */
static json_t *time_json(const Publisher *b, double at)
{
    return at > 0 ? json_real(floor((at + b->clock) * 1000) / 1000) : json_null();
}

static json_t *known(int64_t n, int64_t unknown)
{
    return n == unknown ? json_null() : json_integer(n);
}

static json_t *pair_json(const char *a, int64_t x, const char *b, int64_t y)
{
    return x < 0 ? json_null() : json_pack("{s:I, s:o}", a, (json_int_t)x, b, y > 0 ? json_integer(y) : json_null());
}

static char *process_file(const Publisher *b, const char *name)
{
    return xasprintf("/proc/%ld/%s", (long)b->program, name);
}

/* A line "VmRSS:  1234 kB" of /proc/PID/status, in bytes; null where there is none. */
static json_t *memory_of(const char *text, const char *key)
{
    const char *at = text ? strstr(text, key) : NULL;
    return at ? json_integer(strtoll(at + strlen(key), NULL, 10) * 1024) : json_null();
}

static json_t *memory_json(Publisher *b)
{
    Error err = {0};
    size_t size;
    char *path = process_file(b, "status"), *text = file_read(path, &size, &err);
    json_t *o =
        !text || !strstr(text, "\nVmRSS:")
            ? NULL
            : json_pack("{s:o, s:o, s:o, s:o}", "resident", memory_of(text, "\nVmRSS:"), "private", memory_of(text, "\nRssAnon:"),
                        "mapped", memory_of(text, "\nRssFile:"), "peak", memory_of(text, "\nVmHWM:"));
    free(text);
    free(path);
    if (o) {
        json_decref(b->memory);
        b->memory = o;
    }
    return b->memory ? json_incref(b->memory) : json_null();
}

/* What waits in the pipe that the program reads; null where its input is none. */
static json_t *pipe_json(const Publisher *b)
{
    char *path = process_file(b, "fd/0");
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), waiting = 0, room = fd >= 0 ? fcntl(fd, F_GETPIPE_SZ) : -1;
    json_t *o = room > 0 && ioctl(fd, FIONREAD, &waiting) == 0 ? pair_json("bytes", waiting, "of", room) : json_null();
    if (fd >= 0)
        close(fd);
    free(path);
    return o;
}

/* Texts as they were at one moment; what is being written for ever (its writer was killed) is taken as it is. */
static void copy_texts(Progress *to, const Progress *from)
{
    unsigned seen;
    int tries = 0;
    do {
        seen = from->texts;
        memcpy((void *)to, (const void *)from, sizeof *to);
    } while ((seen % 2 == 1 || seen != from->texts) && ++tries < 1000);
    to->metrics[PROGRESS_METRICS - 1] = '\0';
}

static json_t *warnings_json(const Publisher *b, const Progress *p)
{
    json_t *all = json_array();
    int64_t last = 0;
    for (int i = 0; i < PROGRESS_WARNINGS; i++)
        last = p->warnings[i].number > last ? p->warnings[i].number : last;
    for (int64_t n = last - PROGRESS_WARNINGS + 1; n <= last; n++) {
        const ProgressWarning *w = &p->warnings[n > 0 ? n % PROGRESS_WARNINGS : 0];
        if (n <= 0 || w->number != n)
            continue;
        json_t *text = json_string(w->text); /* NULL where a name in it is no UTF-8 */
        json_array_append_new(all, json_pack("{s:I, s:o, s:o}", "number", (json_int_t)n, "time", time_json(b, w->at), "text",
                                             text ? text : json_string("(a text that is no UTF-8)")));
    }
    return all;
}

/* Records a second over the last ten; those that went out where none come in. */
static json_t *rate_json(Publisher *b, const Progress *p, double now)
{
    double records = (double)(p->read > 0 ? p->read : p->written);
    size_t at = b->n++ % RATE_SECONDS, first = b->n > RATE_SECONDS ? b->n % RATE_SECONDS : 0;
    b->past[at].at = now;
    b->past[at].records = records;
    double seconds = now - b->past[first].at;
    return seconds > 0 ? json_real((records - b->past[first].records) / seconds) : json_null();
}

typedef enum ProgramEnd { PROGRAM_LIVES, PROGRAM_ENDS, PROGRAM_KILLED } ProgramEnd;

static json_t *status_json(Publisher *b, ProgramEnd end)
{
    const bool ended = end != PROGRAM_LIVES;
    static const char *const waits[] = {NULL, "input", "output", "policy"};
    static Progress p;
    copy_texts(&p, progress_get());
    double now = seconds_now(), eta = progress_eta(&p, now);
    json_t *metrics = p.metrics[0] ? json_loads(p.metrics, 0, NULL) : NULL;
    const char *stage = strncmp(progname, "vlrm-", 5) == 0 ? progname + 5 : progname;
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:o, s:f, s:b, s:b}", "program", progname, "version", VLRM_VERSION, "stage",
                          stage, "pid", (json_int_t)b->program, "time", time_json(b, now), "began", b->began, "ended", (int)ended,
                          "killed", (int)(end == PROGRAM_KILLED));
    json_t *work =
        json_pack("{s:s?, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "unit", p.unit[0] ? p.unit : NULL, "read", (json_int_t)p.read,
                  "written", (json_int_t)p.written, "failed", (json_int_t)p.failed, "total",
                  p.goal > 0 ? json_real(p.goal) : json_null(), "reached", p.goal > 0 ? json_real(p.reached) : json_null(),
                  "rate", rate_json(b, &p, now), "eta", eta >= 0 && !ended ? json_real(eta) : json_null());
    json_t *phase = p.phase_total > 0 && !ended
                        ? json_pack("{s:s, s:f}", "name", p.phase, "share", (double)p.phase_done / (double)p.phase_total)
                        : json_null();
    json_t *state = json_pack("{s:o, s:s?, s:o, s:o, s:s?}", "phase", phase, "waits", ended ? NULL : waits[p.waits],
                              "waits_since", p.waits && !ended ? time_json(b, p.waits_since) : json_null(), "moved",
                              time_json(b, p.moved), "figure", p.figure[0] ? p.figure : NULL);
    json_t *place =
        json_pack("{s:o, s:o, s:o, s:o}", "batch",
                  p.batch < 0 ? json_null()
                              : json_pack("{s:I, s:I, s:o}", "index", (json_int_t)p.batch, "records", (json_int_t)p.batch_records,
                                          "of", known(p.batch_of > 0 ? p.batch_of : -1, -1)),
                  "step", known(p.step, -1), "steps", known(p.steps, 0), "queue", pair_json("depth", p.queue, "of", p.queue_of));
    json_t *machine =
        json_pack("{s:o, s:o, s:i, s:o}", "input", pipe_json(b), "memory", memory_json(b), "threads", (int)p.threads, "device",
                  p.device[0] ? json_pack("{s:s, s:o}", "name", p.device, "memory", known(p.device_bytes, -1)) : json_null());
    json_t *told = json_pack("{s:o, s:o}", "metrics", metrics ? metrics : json_null(), "warnings", warnings_json(b, &p));
    json_t *parts[] = {work, state, place, machine, told};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        json_object_update(o, parts[i]);
        json_decref(parts[i]);
    }
    return o;
}

static bool status_write(Publisher *b, ProgramEnd end, Error *err)
{
    AtomicFile f;
    json_t *o = status_json(b, end);
    bool ok = atomic_open(&f, b->path, err);
    if (ok) {
        json_dumpf(o, f.stream, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
        putc('\n', f.stream);
        ok = atomic_place(&f, err);
    }
    json_decref(o);
    return ok;
}

/* Only stderr and the pipe from the program stay open: whoever reads or writes the others shall see their end with the program.
 */
static void leave_files(int from_program)
{
    int nothing = open("/dev/null", O_RDWR);
    dup2(from_program, STDIN_FILENO);
    if (nothing >= 0)
        dup2(nothing, STDOUT_FILENO);
    close_range(STDERR_FILENO + 1, ~0U, 0);
}

/* Waits a second, or until the program says that it ends, or is gone. A signal at its death would not come out of its sandbox. */
static ProgramEnd program_end(const Publisher *b)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    if (poll(&p, 1, 1000) > 0)
        return read(STDIN_FILENO, &byte, 1) == 1 ? PROGRAM_ENDS : PROGRAM_KILLED;
    return getppid() == b->program ? PROGRAM_LIVES : PROGRAM_KILLED;
}

static _Noreturn void publish(Publisher *b, int from_program)
{
    static const int others[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        signal(others[i], SIG_IGN);
    leave_files(from_program);
    ProgramEnd end = PROGRAM_LIVES;
    while (end == PROGRAM_LIVES) {
        Error err = {0};
        end = program_end(b);
        if (!status_write(b, end, &err) && !b->failed) {
            warn("--status-file: %s", err.text);
            b->failed = true;
        }
    }
    _exit(STATUS_CLEAN);
}

/* ---- the program ---- */

static Publisher publisher;
static int to_publisher;
static pid_t publisher_pid;

/* Whether the writing process has ended within LAST_WORD_SECONDS. */
static bool publisher_ended(void)
{
    const double start = seconds_now();
    pid_t gone;
    while ((gone = waitpid(publisher_pid, NULL, WNOHANG)) == 0 && seconds_now() < start + LAST_WORD_SECONDS)
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    return gone != 0;
}

/* At exit and when dying: whoever looks once the program is gone shall find how it ended, not how it was a second before. A
 * writing process that is stopped, or whose disk does not answer, does not keep the program. */
static void conclude(void)
{
    if (getpid() != publisher.program) /* a child's exit is not the program's */
        return;
    signal(SIGPIPE, SIG_IGN);
    if (write(to_publisher, "", 1) == 1 && !publisher_ended()) /* without a reader it was killed */
        kill(publisher_pid, SIGKILL);                          /* refused in a sandbox: it then ends by itself once it can */
}

bool status_publish(const char *path, Error *err)
{
    int ends[2];
    publisher = (Publisher){.path = path, .program = getpid(), .began = wall_now(), .clock = wall_now() - seconds_now()};
    Progress *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return error_set(err, "--status-file: memory to share:");
    progress_move(shared);
    if (!status_write(&publisher, PROGRAM_LIVES, err))
        return error_prefix(err, "--status-file");
    if (pipe2(ends, O_CLOEXEC) != 0 || (publisher_pid = fork()) < 0)
        return error_set(err, "--status-file: start the process that writes it:");
    if (publisher_pid == 0)
        publish(&publisher, ends[0]);
    close(ends[0]);
    to_publisher = ends[1];
    at_die(conclude);
    return atexit(conclude) == 0 || error_set(err, "--status-file: be told of the end:");
}
