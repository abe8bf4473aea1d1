/* A checkpoint looked over: what it is, whether its shapes, values and tokenizer are in order. */
#ifndef DOCTOR_MODEL_H
#define DOCTOR_MODEL_H

#include "doctor/check.h"
#include "tensor/kernels.h"

/* Adds the checks of a model folder in Hugging Face's layout. */
void model_check(Checks *c, const char *folder, const Kernels *kernels);

#endif
