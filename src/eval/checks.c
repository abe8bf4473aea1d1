/* Limits on metrics; see checks.h. */
#include "eval/checks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/derived.h"

bool check_parse(Check *out, CheckKind kind, const char *text, Error *err)
{
    static const char *const options[] = {"fail-below", "fail-above", "max-drop"};
    const char *equals = strrchr(text, '='), *value = equals ? equals + 1 : text;
    size_t n = equals ? (size_t)(equals - text) : 0;
    *out = (Check){.kind = kind};
    if ((!equals && kind != CHECK_DROP) || (equals && n == 0) || n >= sizeof out->name ||
        !parse_real(value, -1e9, 1e9, &out->limit))
        return error_set_status(err, STATUS_USAGE, "--%s %s: expected %s, as in r@1=0.9", options[kind], text,
                                kind == CHECK_DROP ? "[NAME=]VALUE" : "NAME=VALUE");
    memcpy(out->name, text, n);
    return true;
}

static void say(char **said, const char *text)
{
    char *joined = *said ? xasprintf("%s; %s", *said, text) : xstrdup(text);
    free(*said);
    *said = joined;
}

/* The values are means of zeros, ones and reciprocals: equality up to rounding is no fall. */
static bool beyond(double excess)
{
    return !(excess <= 1e-12);
}

static void check_one(char **said, const Check *c, const char *name, Interval v)
{
    char *text = NULL;
    if (c->kind == CHECK_BELOW && beyond(c->limit - v.mean))
        text = xasprintf("%s is %.4f, expected at least %g", name, v.mean, c->limit);
    if (c->kind == CHECK_ABOVE && beyond(v.mean - c->limit))
        text = xasprintf("%s is %.4f, expected at most %g", name, v.mean, c->limit);
    if (c->kind == CHECK_DROP && beyond(-v.mean - c->limit))
        text = xasprintf("%s fell by %.4f (%.4f to %.4f), allowed is %g", name, -v.mean, -v.high, -v.low, c->limit);
    if (text)
        say(said, text);
    free(text);
}

bool check_apply(char **said, const Check *c, const Metrics *m, const Interval *values, Error *err)
{
    if (c->name[0]) {
        size_t i = metrics_find(m, c->name);
        if (i == SIZE_MAX || column_is_part(c->name))
            return error_set_status(err, STATUS_USAGE, "no metric is named %s here (or not every caption has it)", c->name);
        check_one(said, c, c->name, values[i]);
        return true;
    }
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->names[i], "mrr") == 0 || strncmp(m->names[i], "r@", 2) == 0)
            check_one(said, c, m->names[i], values[i]);
    return true;
}
