/*
 * vlrm-top: a training run as it goes on, for people.
 *
 * It reads what the stages publish in RUN/status and RUN/metrics.jsonl, and nothing else: it may be started and ended at any
 * time, on any machine that sees the folder. What is drawn is in view.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/options/options.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "top/view.h"

typedef enum Show { SHOW_AUTO, SHOW_FRAME, SHOW_ROWS, SHOW_LINE, SHOW_COLLAPSES } Show;

static struct {
    Show show;
    bool once, follow;
    double stall, interval;
    int64_t columns, after;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_FLAG("once", '1', &opt.once, "show how it is now, and end"),
    OPT_ENUM(
        "show", 0, &opt.show, "auto", "auto|frame|rows|line|collapses",
        "show a frame drawn again and again; a row for each step, and warnings; one line; collapses alone. auto: a frame on a terminal, else rows"),
    OPT_REAL("stall", 0, &opt.stall, "60", 0, 1e9, "SEC", "name a stage in which nothing has moved for so long; 0: none"),
    OPT_REAL("interval", 0, &opt.interval, "1", 0.05, 3600, "SEC", "look every SEC seconds"),
    OPT_FLAG("follow", 'f', &opt.follow,
             "show what is new from now on, before the run begins and after it has ended, until stopped"),
    OPT_INT("after", 0, &opt.after, "-1", -1, 1e15, "BYTES",
            "take for new, with --follow, what is behind so many bytes of metrics.jsonl; -1: behind those that it finds"),
    OPT_INT("columns", 0, &opt.columns, "0", 0, 1000, "N", "draw N columns wide; 0: as the terminal, or 80"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-top",
    .summary = "watch a training run: stages, who waits for whom, steps, metrics, warnings",
    .operands = "RUN",
    .description =
        "Shows a run folder of vlrm train: what each stage has read and written and how fast, what it waits for, how much lies in its "
        "queue (vlrm-extract: frames, the others: bytes of the pipe that they read), its memory (own: without the mapped weights that "
        "programs share) and threads; the step, the time to go, the last metrics as curves, the last warning. A stage that computes and in "
        "which nothing has moved for --stall seconds is named.\n\n"
        "On a terminal it draws until the run has ended or q is pressed. Elsewhere it prints a row for each step. NO_COLOR turns colours "
        "off. Nothing in the run folder is changed.",
    .examples = "vlrm-top --once run",
    .options = options,
};

static bool keys; /* the terminal gives us keys */
static struct termios terminal;

static void keys_end(void)
{
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    keys = false;
}

/* Keys come as they are pressed; ^C is still a signal. Only where we are in the foreground: else it would stop us. */
static void keys_begin(void)
{
    struct termios raw;
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &terminal) != 0)
        return;
    raw = terminal;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
    keys = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* Waits; false when q was pressed or it was asked to end. */
static bool wait_interval(void)
{
    char key = 0;
    struct pollfd p = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
    if (poll(&p, 1, (int)(opt.interval * 1000)) > 0 && keys && read(STDIN_FILENO, &key, 1) <= 0)
        keys_end();
    return !interrupted() && key != 'q';
}

static size_t columns(void)
{
    struct winsize size;
    if (opt.columns > 0)
        return (size_t)opt.columns;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void look(Run *run, size_t *gained)
{
    Error err = {0};
    if (run_look(run, opt.follow, gained, &err))
        return;
    keys_end();
    die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
}

/* Whether what is drawn may be drawn over. */
static bool redraws(void)
{
    const char *term = getenv("TERM");
    return !opt.once && isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

static Text new_text(void)
{
    return (Text){.colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
}

static void flush(void)
{
    if (fflush(stdout) != 0) {
        keys_end();
        die("write <stdout>:");
    }
}

/* ---- frames ---- */

static void draw(const Run *run, bool over)
{
    Text t = new_text();
    view_frame(&t, run, columns(), opt.stall);
    if (over)
        fputs("\033[H", stdout);
    text_print(&t, over ? columns() : SIZE_MAX, over ? "\033[K\n" : "\n", stdout);
    if (over)
        fputs("\033[J", stdout);
    text_release(&t);
    flush();
}

static void show_frames(Run *run)
{
    size_t gained;
    bool over = redraws();
    if (over) {
        keys_begin();
        fputs("\033[2J", stdout);
    }
    do {
        look(run, &gained);
        draw(run, over);
    } while (!opt.once && (opt.follow || !run_ended(run)) && wait_interval());
    keys_end();
}

/* ---- rows and lines ---- */

/* What moves at the bottom of a terminal. */
static void show_line(const Run *run, bool moving)
{
    Text t = new_text();
    view_line(&t, run, opt.stall);
    if (t.n > 0) {
        fputs(moving ? "\r\033[K" : "", stdout);
        text_print(&t, moving ? columns() - 1 : SIZE_MAX, moving ? "" : "\n", stdout);
    }
    text_release(&t);
    flush();
}

/* The steps gained, and the warnings since those in `seen`, under titles; NULL: collapses alone. */
static void show_steps(const Run *run, size_t gained, int64_t *seen, bool moving)
{
    static bool titled;
    Text t = new_text();
    size_t first = run->n_steps - size_min(gained, run->n_steps);
    if (seen)
        view_warnings(&t, run, seen);
    for (size_t i = first; i < run->n_steps; i++) {
        if (seen && !titled)
            view_titles(&t);
        titled = true;
        if (seen)
            view_row(&t, run, i);
        view_collapse(&t, run, i);
    }
    if (t.n > 0)
        fputs(moving ? "\r\033[K" : "", stdout);
    text_print(&t, SIZE_MAX, "\n", stdout);
    text_release(&t);
    flush();
}

/* Looks once more after it was asked to end: the last step may have come just before. */
static void show_rows(Run *run)
{
    Error err = {0};
    int64_t seen[STAGES_MAX] = {0};
    size_t gained;
    bool moving = opt.show != SHOW_COLLAPSES && redraws(), more = true;
    if (opt.follow && !run_skip(run, opt.after, &err))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    for (bool last = false; !last;) {
        last = !more || opt.once;
        look(run, &gained);
        show_steps(run, gained, opt.show == SHOW_COLLAPSES ? NULL : seen, moving);
        last = last || (!opt.follow && run_ended(run));
        if (moving && !last)
            show_line(run, true);
        more = last || wait_interval();
    }
    if (moving)
        fputs("\r\033[K", stdout);
}

static void show_lines(Run *run)
{
    Error err = {0};
    size_t gained;
    bool moving = redraws();
    if (opt.follow && !run_skip(run, opt.after, &err))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    do {
        look(run, &gained);
        show_steps(run, gained, NULL, moving);
        show_line(run, moving);
    } while (!opt.once && (opt.follow || !run_ended(run)) && wait_interval());
    if (moving)
        fputs("\r\033[K", stdout);
}

int main(int argc, char **argv)
{
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    if (n != 1)
        usage_error("a run folder is required");
    signals_init();
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.read = NULL});
    Run run = {.folder = operands[0]};
    if (opt.show == SHOW_AUTO)
        opt.show = opt.once || isatty(STDOUT_FILENO) ? SHOW_FRAME : SHOW_ROWS;
    if (opt.show == SHOW_FRAME)
        show_frames(&run);
    else if (opt.show == SHOW_LINE)
        show_lines(&run);
    else
        show_rows(&run);
    run_release(&run);
    return finish_stdout(STATUS_CLEAN);
}
