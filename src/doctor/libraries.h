/* The libraries that are loaded: whether they are what was built with. */
#ifndef DOCTOR_LIBRARIES_H
#define DOCTOR_LIBRARIES_H

#include "doctor/check.h"

/* Adds a check for each, after the kernels', and says which MPI there is. */
void libraries_check(Checks *c);

#endif
