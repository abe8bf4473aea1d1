/*
 * What a path given as a policy is: one policy, or the folder that a run publishes its policies in; and what was meant where it
 * is neither, so that a mistyped path is told at once and not waited for.
 */
#ifndef LEARN_POLICY_PLACE_H
#define LEARN_POLICY_PLACE_H

#include "base/base.h"

typedef enum PolicyPlace {
    POLICY_ONE,       /* RUN/policy/step-NNNNNN, or a copy of one: its config.json has a step */
    POLICY_PUBLISHED, /* RUN/policy, where steps are or may still appear: it is there, or RUN is, or it is named so */
    POLICY_NONE,      /* err says what was found and what was meant */
} PolicyPlace;

/* Looks at what is there; err is set for POLICY_NONE alone. */
PolicyPlace policy_place(const char *path, Error *err);

/* RUN of RUN/policy; the caller frees it. */
char *policy_run(const char *path);

#endif
