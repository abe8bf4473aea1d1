/* What is drawn of a run: a frame, a row for each step, one line. */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

#include "top/run.h"
#include "top/text.h"

/* The whole run in a frame of so many columns; a stage in which nothing has moved for `stall` seconds is named. */
void view_frame(Text *t, const Run *run, size_t columns, double stall);

/* The titles of rows, and the row of step i of those kept: what the batch was rewarded with, seconds, time to go. */
void view_titles(Text *t);
void view_row(Text *t, const Run *run, size_t i);

/* A collapse that begins in step i, with the value found and its limit; nothing where none does. */
void view_collapse(Text *t, const Run *run, size_t i);

/* Warnings of the stages that are newer than those in `seen` (of STAGES_MAX, 0 at first), which takes them. */
void view_warnings(Text *t, const Run *run, int64_t seen[static STAGES_MAX]);

/* "step 12 of 200, caption 812 of 4096, 12.1/s, 3.4 s a step, 10 min to go"; without an update what each stage has counted. */
void view_line(Text *t, const Run *run, double stall);

#endif
