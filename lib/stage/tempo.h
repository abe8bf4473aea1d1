/*
 * How long on this machine, at rest, what was noted by the idle kernels (tensor/kernels_idle.h) would take over the real ones:
 * calls of the same kinds and sizes are run for a moment, those that matter most first, on numbers that lie in memory as the
 * stage's own do: in a cache where its own are, and out of it where they are not.
 *
 * It is computing alone: no picture is read, no file written, and nobody waited for.
 */
#ifndef STAGE_TEMPO_H
#define STAGE_TEMPO_H

#include "tensor/kernels.h"

/* Seconds for all calls since idle_reset. `weights`: bytes of the models' files, so many are not in caches twice. About `budget`
 * seconds are spent on finding it out, where a single call does not take longer. */
double tempo_seconds(const Kernels *kernels, double weights, double budget);

#endif
