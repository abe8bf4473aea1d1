/* The options of vlrm-reward that weigh the parts of a reward (paper: equation 1, Table 1). */
#ifndef REWARD_WEIGHTS_OPTIONS_H
#define REWARD_WEIGHTS_OPTIONS_H

#include "base/options/options.h"
#include "stage/returns.h"

/* The rows of the option table; weights: the Weights themselves, not their address. */
/* clang-format off */
#define WEIGHTS_OPTIONS(weights) \
    OPT_REAL("sim-weight", 0, &(weights).sim, "1", -1e6, 1e6, "W", "weigh sim by W"), \
    OPT_REAL("clip-weight", 0, &(weights).clip, "0.3", -1e6, 1e6, "W", "weigh Phi within sim by W"), \
    OPT_REAL("ref-weight", 0, &(weights).ref, "1", -1e6, 1e6, "W", "weigh ref by W"), \
    OPT_REAL("noeos-weight", 0, &(weights).noeos, "1", -1e6, 1e6, "W", "weigh noeos by W"), \
    OPT_REAL("bad-weight", 0, &(weights).bad, "1", -1e6, 1e6, "W", "weigh a bad token by W"), \
    OPT_REAL("repeat-weight", 0, &(weights).repeat, "1", -1e6, 1e6, "W", "weigh a repeated token by W"), \
    OPT_REAL("good-weight", 0, &(weights).good, "1", -1e6, 1e6, "W", "weigh a token of a good phrase by W"), \
    OPT_REAL("length-weight", 0, &(weights).length, "0", -1e6, 1e6, "W", "weigh every token by W, the end included"), \
    OPT_REAL("gamma", 0, &(weights).gamma, "1", 0, 1, "G", "discount penalties further on by G a token (paper: 1)")
/* clang-format on */

#endif
