/*
 * Both ends of the socket; see opener.h. A question is one struct; the answer is one struct, the descriptors with it, and then
 * strings, each with its zero. Should the opening process die, it has said why, and this one ends with its status.
 */
#include "extract/opener.h"

#include "media/image.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/signals.h"
#include "extract/texts.h"
#include "extract/walk.h"

enum { WAIT_MS = 100, MOST_FDS = 2 };
enum { ASK_NEXT, ASK_AGAIN, ASK_OPEN };

typedef struct Question {
    int64_t what, place;
} Question;

typedef struct Answer {
    int64_t place;   /* of the source, for ASK_OPEN */
    int64_t strings; /* bytes that follow */
    int32_t fds;
    int64_t bytes, mtime;
    bool ended, is_archive, is_stdin, doubtful, done;
} Answer;

struct Opener {
    int socket;
    pid_t child;
    bool cut;
};

/* What a place was: all that ASK_OPEN needs. */
typedef struct Place {
    char *path; /* owned; NULL for stdin */
    bool regular_only, texts;
} Place;

/* The opening process. Without --shuffle only the last place is kept. */
typedef struct Served {
    const SourceSettings *s;
    Walk *walk;
    int socket;
    Place *places; /* owned */
    size_t kept, capacity;
    int64_t named;
} Served;

/* ---- the process that opens ---- */

static int temporary(void)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder)
        folder = "/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char *name = path_join(folder, "vlrm-extract-XXXXXX");
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    free(name);
    return fd;
}

static char *errno_text(const char *what)
{
    return xasprintf("%s: %s", what, strerror(errno));
}

static bool open_descriptors(Source *s)
{
    struct stat st;
    s->fd = s->path ? open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    s->spare = -1;
    if (s->fd < 0 || fstat(s->fd, &st) != 0)
        s->problem = errno_text("open");
    else if (S_ISREG(st.st_mode) && s->path)
        return true;
    else if (s->path && (s->regular_only || (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))))
        s->problem = xstrdup(s->regular_only ? "not a regular file" : "neither a file nor a FIFO");
    else if ((s->spare = temporary()) < 0)
        s->problem = errno_text("create a temporary file");
    return !s->problem;
}

void source_open(Source *s)
{
    s->opened = open_descriptors(s);
    if (!s->opened && s->fd >= 0)
        close(s->fd);
}

/* Sends all of it, and descriptors with its first byte. Ends the process when nobody listens. */
static void answer(const Served *v, const void *data, size_t size, const int *fds, size_t n_fds)
{
    const char *at = data;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
    } control = {0};
    while (size > 0) {
        struct iovec part = {(void *)(uintptr_t)at, size};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        if (n_fds > 0) {
            message.msg_control = control.bytes;
            message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
            struct cmsghdr *c = CMSG_FIRSTHDR(&message);
            *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n_fds * sizeof(int))};
            memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
        }
        ssize_t sent = sendmsg(v->socket, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            exit(STATUS_CLEAN);
        if (sent < 0)
            die("hand a source over:");
        n_fds = 0;
        at += sent;
        size -= (size_t)sent;
    }
}

static void add_string(Buffer *b, const char *text)
{
    buffer_add(b, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* A source's problem and texts; take_texts reads them. */
static void add_texts(Buffer *b, const Source *s)
{
    add_string(b, s->problem);
    add_string(b, s->meta);
    add_string(b, s->text_problem);
    for (size_t i = 0; i < s->n_references; i++)
        add_string(b, s->references[i]);
}

/* Keeps what a place is under its number. */
static int64_t place_keep(Served *v, const Source *found)
{
    if (!v->s->shuffled && v->kept > 0)
        free(v->places[--v->kept].path);
    v->places = array_reserve(v->places, &v->capacity, v->kept + 1, sizeof *v->places);
    v->places[v->kept++] = (Place){found->path ? xstrdup(found->path) : NULL, found->regular_only, found->texts};
    return v->named++;
}

/* How long it is and when it was changed, of a regular file. Where that cannot be told it is not tried: its journal would lack
 * it. */
static void answer_stat(Answer *a, Source *found)
{
    struct stat st;
    a->bytes = -1;
    if (!found->path || found->problem)
        return;
    if (stat(found->path, &st) != 0) {
        if (errno != ENOENT) /* who opens it will say so */
            found->problem = errno_text("stat");
        return;
    }
    if (!S_ISREG(st.st_mode))
        return;
    a->bytes = st.st_size;
    a->mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static void answer_next(Served *v)
{
    Source found;
    Buffer strings = {0};
    Answer a = {.ended = !walk_next(v->walk, v->socket, &found)};
    if (!a.ended) {
        a.place = place_keep(v, &found);
        a.is_archive = found.is_archive;
        a.is_stdin = found.is_stdin;
        answer_stat(&a, &found);
        a.doubtful = found.doubtful;
        a.done = v->s->without && found.path && !found.is_archive && is_beside(found.path, v->s->without);
        add_string(&strings, found.name);
        add_string(&strings, found.label);
        add_texts(&strings, &found);
        source_release(&found);
    }
    a.strings = (int64_t)strings.size;
    answer(v, &a, sizeof a, NULL, 0);
    answer(v, strings.data, strings.size, NULL, 0);
    buffer_release(&strings);
}

static void answer_open(Served *v, int64_t place)
{
    int64_t at = place - (v->named - (int64_t)v->kept);
    if (at < 0 || at >= (int64_t)v->kept)
        die("asked to open source %lld, which was not named", (long long)place);
    Source s = {.path = v->places[at].path, .regular_only = v->places[at].regular_only};
    Buffer strings = {0};
    source_open(&s);
    if (s.opened && v->places[at].texts)
        texts_read(&s, s.path);
    add_texts(&strings, &s);
    Answer a = {.place = place, .fds = !s.opened ? 0 : s.spare >= 0 ? 2 : 1, .strings = (int64_t)strings.size};
    answer(v, &a, sizeof a, (const int[MOST_FDS]){s.fd, s.spare}, (size_t)a.fds);
    answer(v, strings.data, strings.size, NULL, 0);
    buffer_release(&strings);
    s.path = NULL;
    source_release(&s);
}

/* Answers until the other end is closed. Asked to end, it is the other process that ends first. */
static _Noreturn void serve(Served *v, pid_t parent)
{
    Question q;
    ssize_t n = 0;
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC); /* whoever reads stdout shall see its end with the other's */
    if (nothing >= 0)
        dup2(nothing, STDOUT_FILENO);
    while (getppid() == parent && ((n = read(v->socket, &q, sizeof q)) == sizeof q || (n < 0 && errno == EINTR))) {
        if (n < 0)
            continue;
        if (q.what == ASK_OPEN)
            answer_open(v, q.place);
        else if (q.what == ASK_AGAIN)
            walk_again(v->walk);
        else
            answer_next(v);
    }
    if (n < 0)
        die("read what to open:");
    for (size_t i = 0; i < v->kept; i++)
        free(v->places[i].path);
    free(v->places);
    walk_free(v->walk);
    exit(STATUS_CLEAN);
}

/* ---- the process that asks ---- */

Opener *opener_new(const SourceSettings *s, char **operands, int n)
{
    int sockets[2];
    Opener *o = xcalloc(1, sizeof *o);
    pid_t parent = getpid();
    Walk *walk = walk_new(s, operands, n);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0 || (o->child = fork()) < 0)
        die("start the process that opens sources:");
    if (o->child == 0) {
        close(sockets[0]);
        free(o);
        serve(&(Served){.s = s, .walk = walk, .socket = sockets[1]}, parent);
    }
    close(sockets[1]);
    walk_free(walk);
    o->socket = sockets[0];
    return o;
}

void opener_free(Opener *o)
{
    close(o->socket);
    free(o);
}

/* The socket was closed at the other end. */
static _Noreturn void opener_died(Opener *o)
{
    int status = 0;
    if (waitpid(o->child, &status, 0) == o->child && WIFEXITED(status) && WEXITSTATUS(status) != 0)
        exit(WEXITSTATUS(status));
    die("the process that opens sources ended%s%s", WIFSIGNALED(status) ? ": " : " too early",
        WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
}

/* Waits until there is something to read; false when asked to end. */
static bool wait_readable(Opener *o)
{
    struct pollfd p = {o->socket, POLLIN, 0};
    while (!interrupted() && poll(&p, 1, WAIT_MS) <= 0)
        ;
    o->cut |= interrupted();
    return !o->cut;
}

static void take_fds(struct msghdr *message, int fds[MOST_FDS])
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

/* Reads size bytes, and what descriptors come with them. False when asked to end: then nothing more can be asked. */
static bool receive(Opener *o, void *data, size_t size, int fds[MOST_FDS])
{
    char *at = data;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
    } control;
    while (size > 0) {
        struct iovec part = {at, size};
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
        if (!wait_readable(o))
            return false;
        ssize_t n = recvmsg(o->socket, &message, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("ask for a source:");
        if (n == 0)
            opener_died(o);
        take_fds(&message, fds);
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void ask(Opener *o, Question q)
{
    ssize_t n;
    while ((n = send(o->socket, &q, sizeof q, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    if (n < 0 && errno == EPIPE)
        opener_died(o);
    if (n != sizeof q)
        die("ask for a source:");
}

/* The string at *text, NULL for an empty one; *text is then at the next. */
static char *take_string(const char **text)
{
    char *taken = **text ? xstrdup(*text) : NULL;
    *text += strlen(*text) + 1;
    return taken;
}

/* What add_texts has added. */
static void take_texts(Source *out, const char *text, const char *end)
{
    out->problem = take_string(&text);
    out->meta = take_string(&text);
    out->text_problem = take_string(&text);
    size_t capacity = out->n_references;
    for (; text < end; text += strlen(text) + 1) {
        out->references = array_reserve(out->references, &capacity, out->n_references + 1, sizeof *out->references);
        out->references[out->n_references++] = xstrdup(text);
    }
}

static void take_strings(Source *out, const char *text, size_t size)
{
    const char *end = text + size;
    out->name = xstrdup(text);
    text += strlen(text) + 1;
    out->label = xstrdup(text);
    text += strlen(text) + 1;
    take_texts(out, text, end);
}

bool opener_next(Opener *o, Source *out)
{
    Answer a;
    int fds[MOST_FDS];
    *out = (Source){0};
    if (o->cut)
        return false;
    ask(o, (Question){.what = ASK_NEXT});
    if (!receive(o, &a, sizeof a, fds) || a.ended)
        return false;
    char *strings = xmalloc((size_t)a.strings);
    bool got = receive(o, strings, (size_t)a.strings, fds);
    if (got)
        take_strings(out, strings, (size_t)a.strings);
    out->place = a.place;
    out->is_archive = a.is_archive;
    out->is_stdin = a.is_stdin;
    out->bytes = a.bytes;
    out->mtime = a.mtime;
    out->doubtful = a.doubtful;
    out->done = a.done;
    free(strings);
    return got;
}

void opener_again(Opener *o)
{
    if (!o->cut)
        ask(o, (Question){.what = ASK_AGAIN});
}

/* With what came; the kernel keeps back descriptors that this process has no room for. */
static Source opened(Source s, const int fds[MOST_FDS], int expected)
{
    s.fd = fds[0];
    s.spare = fds[1];
    s.opened = fds[0] >= 0;
    if (fds[expected - 1] < 0) {
        source_close(&s);
        s.problem = xstrdup("open: too many open files");
    }
    return s;
}

bool opener_open(Opener *o, Source *source)
{
    Answer a;
    int fds[MOST_FDS] = {-1, -1};
    if (o->cut)
        return false;
    ask(o, (Question){.what = ASK_OPEN, .place = source->place});
    if (!receive(o, &a, sizeof a, fds))
        return false;
    if (a.fds > 0)
        *source = opened(*source, fds, a.fds);
    char *strings = xmalloc((size_t)a.strings), *kept = source->problem;
    bool got = receive(o, strings, (size_t)a.strings, fds), has_texts = source->shard;
    if (got && has_texts) /* a member, whose archive was opened */
        source->problem = *strings ? xstrdup(strings) : NULL;
    else if (got)
        take_texts(source, strings, strings + a.strings);
    if (kept) {
        free(source->problem);
        source->problem = kept;
    }
    free(strings);
    return got;
}
