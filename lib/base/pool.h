/*
 * One pool of threads for the whole program. Work is split into numbered parts; the split never depends on timing, so results do
 * not.
 *
 * Every thread (the caller's too) has denormals flushed to zero: tiny weights make products 2 to 8 times slower otherwise.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

/* Start `threads` threads in all, the caller among them; 0 for as many processors as the process may use: its affinity mask's,
 * and no more than SLURM_CPUS_PER_TASK. Call once, before pool_run. */
void pool_init(int threads);

/* How many threads run a pool_run (1 before pool_init). */
int pool_threads(void);

/* Calls work(context, part) for part 0..parts-1, each once, on those threads that come in time, the caller's among them; returns
 * when all are done. Not to be nested. */
void pool_run(void (*work)(void *context, size_t part), void *context, size_t parts);

/* Flush denormals in this thread (pool threads do it themselves). */
void flush_denormals(void);

#endif
