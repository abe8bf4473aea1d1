/*
 * Sources worked on at a time, written in their order.
 */
#ifndef EXTRACT_JOBS_H
#define EXTRACT_JOBS_H

#include "extract/append.h"
#include "extract/sources.h"

typedef struct JobSettings {
    int64_t jobs, limit, batch;
    const FrameSettings *frames;
    const Limits *limits;
} JobSettings;

/* Runs all sources; the header is written. False when writing failed (err). */
bool jobs_run(const JobSettings *s, Sources *sources, Journal *journal, Writer *w, Totals *t, Error *err);

#endif
