/* Errors and their verdict; see measured.h. */
#include "doctor/measured.h"

#include <math.h>
#include <stdlib.h>

/* f32 has 24 bits and bf16 8, through some layers: on a Sapphire Rapids 4e-7 and 1e-2 were found. */
double measured_bound(bool bf16)
{
    return bf16 ? 0.03 : 1e-5;
}

double measured_error(const StoredTensor *expected, const Tensor *found)
{
    const size_t n = shape_size(&expected->shape);
    double worst = 0, largest = 0;
    for (size_t i = 0; i < n && n == tensor_size(found); i++) {
        double a = tensor_data(found)[i], b = dtype_load(expected->type, expected->data, i), off = fabs(a - b);
        worst = off > worst || isnan(off) ? off : worst;
        largest = fmax(largest, fabs(b));
    }
    return n == tensor_size(found) ? worst / largest : INFINITY;
}

void measured_add(Checks *c, const char *table, double bound, const char *part, const double *errors, size_t n, size_t values)
{
    double worst = 0;
    size_t wrong = 0;
    char *said = xstrdup(n > 1 ? ", by layer" : "");
    for (size_t i = 0; i < n; i++) {
        char *more = n > 1 ? xasprintf("%s %.1e", said, errors[i]) : xstrdup("");
        free(said);
        said = more;
        worst = errors[i] > worst || isnan(errors[i]) ? errors[i] : worst;
        if (wrong == 0 && !(errors[i] <= bound))
            wrong = i + 1;
    }
    char *check =
        wrong > 0 && n > 1 ? xasprintf("%s: %s, layer %zu of %zu", table, part, wrong, n) : xasprintf("%s: %s", table, part);
    check_add(c, check, wrong == 0, worst, bound, "largest error over %zu values%s", values, said);
    check_layers(c, errors, n);
    free(check);
    free(said);
}
