/* What the machine gives: processors, memory and how fast it is, limits, room on disks. */
#ifndef DOCTOR_MACHINE_H
#define DOCTOR_MACHINE_H

#include "doctor/check.h"

/* Adds their checks. folder: where temporary files go. */
void machine_check(Checks *c, const char *folder);

#endif
