/* A captioner's prompt as text: around the request, what its family puts there, read by its tokenizer. */
#ifndef STAGE_PROMPT_H
#define STAGE_PROMPT_H

#include "models/captioner.h"
#include "text/tokenizer.h"

/*
 * Sets the captioner's prompt, whose tokenizer t is and whose folder this; request NULL: its family's usual one. A family that
 * has no prompt takes no request. False with err set (STATUS_MISMATCH) for that, and where the tokenizer does not know what the
 * prompt is made of.
 */
MUST_USE bool prompt_set(Captioner *c, const char *folder, const Tokenizer *t, const char *request, Error *err);

/* The same with the tokenizer in the folder, which is not opened where there is no prompt. */
MUST_USE bool prompt_set_from(Captioner *c, const char *folder, const char *request, Error *err);

#endif
