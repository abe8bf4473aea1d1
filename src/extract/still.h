/*
 * One still image: checked whole, in its own bytes where nothing asks for other pixels.
 */
#ifndef EXTRACT_STILL_H
#define EXTRACT_STILL_H

#include "extract/work.h"

/* Makes the frame of a still whose bytes are in memory (input_bytes); what is wrong with it is in w->out. */
void still_do(Work *w, Input *in);

#endif
