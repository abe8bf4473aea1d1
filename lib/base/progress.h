/*
 * How far a program is, for whoever looks: one account a process, which the progress line (a terminal's stderr), SIGUSR1 and
 * --status-file (status.h) are made of.
 *
 * Whoever moves something says so here and nothing else; who looks at it, and when, is not its business. Every function may be
 * called from any thread, at any time, and costs next to nothing. Numbers are atomic: a signal's handler and another process read
 * them while they change.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a program that does not compute waits for. */
typedef enum ProgressWait { PROGRESS_WORKS, PROGRESS_INPUT, PROGRESS_OUTPUT, PROGRESS_POLICY } ProgressWait;

/* Takes SIGUSR1: it prints the progress line on stderr and nothing else happens; calls of the system go on. */
void progress_signals(void);

/* Begins a count of `unit`s ("frames"). */
void progress_begin(const char *unit);

/* What is to be reached, 0 where that is not known; how much of it was there at first. The ETA is made of these. */
void progress_goal(double goal, double reached);
void progress_reached(double reached);

/* The same by the bytes of these operands, where all are regular files: progress_bytes says that some were read. */
void progress_files(char **paths, int n);
void progress_bytes(size_t n);

/*
 * A phase before or behind the records, whose size is known: a model is read, a file of weights written, resamples are drawn.
 * verb and what say so ("reads", "/models/blip2"; of a long name the end is kept), progress_phase_done that n more of `total` are
 * done, in any unit. One at a time; until progress_phase_end the line has its share, and the ETA is that of the phase. Shows the
 * line.
 */
void progress_phase(const char *verb, const char *what, uint64_t total);
void progress_phase_done(uint64_t n);
void progress_phase_end(void);

/* A record came in, went out; n of them failed. */
void progress_read(void);
void progress_wrote(void);
void progress_failed(uint64_t n);

/* Something moved that is not counted: a part of a long step, of a model that is read. */
void progress_moved(void);

/* What is waited for from here on; returns what was before, to be given back after. */
ProgressWait progress_wait(ProgressWait what);

/* The batch in hand: its index, its records so far, and how many it will have (-1: not known). */
void progress_batch(int64_t index, int64_t records, int64_t of);

/* Optimizer steps taken, of how many (0: not known). */
void progress_step(int64_t step, int64_t steps);

/* How much is ready and not yet taken (prefetched), of how much there is room for. */
void progress_queue(int64_t depth, int64_t room);

/* Threads that compute; the device; bytes of its memory in use. */
void progress_threads(int n);
void progress_device(const char *name);
void progress_device_memory(int64_t bytes);

/* The stage's own figure ("35.1 tokens/s"), behind the others. */
void progress_figure(const char *text);

/* The last step's metrics, a JSON object. */
void progress_metrics(const char *json);

/* What warn() said. */
void progress_warning(const char *text);

/* Prints the line where stderr is a terminal, at most ten times a second; clears it; from here on prints none. */
void progress_show(void);
void progress_hide(void);
void progress_quiet(void);

/* The line: "vlrm-rollout: 120 frames, 35.1/s, 97 s to go, waits for input"; its length. Asks nothing but the clock. */
size_t progress_line(char *out, size_t size);

#endif
