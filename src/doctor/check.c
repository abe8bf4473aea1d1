/* Verdicts; see check.h. */
#include "doctor/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void checks_init(Checks *c, bool printing)
{
    *c = (Checks){.list = json_array(), .printing = printing};
}

void checks_release(Checks *c)
{
    json_decref(c->list);
    *c = (Checks){0};
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void check_add(Checks *c, const char *name, bool ok, double value, double bound, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(c->list, json_pack("{s:s, s:b, s:o, s:o, s:s*}", "check", name, "ok", ok, "value",
                                             number_or_null(value), "bound", number_or_null(bound), "says", text));
    c->failed += !ok;
    if (!c->printing)
        return;
    printf("%-6s  %-42s  ", ok ? "ok" : "FAILED", name);
    if (isfinite(value) && isfinite(bound))
        printf("%8.2g of %-8.2g  ", value, bound);
    else
        printf("%22s", "");
    for (const char *p = text; *p; p++)
        putchar((unsigned char)*p < ' ' || *p == 127 ? '?' : *p);
    putchar('\n');
    fflush(stdout);
}

void check_layers(Checks *c, const double *values, size_t n)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(layers, number_or_null(values[i]));
    json_object_set_new(json_array_get(c->list, json_array_size(c->list) - 1), "layers", layers);
}
