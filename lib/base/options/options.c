/* The option table: parsing and the params of a header; help and manual page are in options_help.c. */
#include "base/options/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "base/msg.h"
#include "base/options/names.h"
#include "base/options/help.h"
#include "base/progress.h"
#include "base/status.h"

/* Where a value came from; a stronger source is never overwritten by a weaker one. */
typedef enum Source { BY_DEFAULT, BY_FILE, BY_ENVIRONMENT, BY_FLAG } Source;

static Source *sources; /* one for each option of the table in force */
static const Program *in_force;
static const char *status_file; /* --status-file, which no params have: it changes nothing */

bool parse_int(const char *s, int64_t min, int64_t max, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end == s || *end || errno || isspace((unsigned char)*s) || v < min || v > max)
        return false;
    *out = v;
    return true;
}

bool parse_real(const char *s, double min, double max, double *out)
{
    char *end;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || *end || (errno == ERANGE && fabs(v) > 1) || isspace((unsigned char)*s) || !(v >= min && v <= max))
        return false;
    *out = v;
    return true;
}

void usage_error(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    warn("%s", text);
    die_status(STATUS_USAGE, "'%s --help-all' lists the options", progname);
}

static size_t count_options(const Option *o)
{
    size_t n = 0;
    while (o[n].name)
        n++;
    return n;
}

/* The index of `text` among "a|b|c", or -1. */
static int choice_find(const char *choices, const char *text)
{
    int index = 0;
    size_t n = strlen(text);
    for (const char *c = choices; *c; index++) {
        size_t m = strcspn(c, "|");
        if (m == n && memcmp(c, text, n) == 0)
            return index;
        c += m + (c[m] == '|');
    }
    return -1;
}

static char *choice_name(const char *choices, int index)
{
    const char *c = choices;
    while (index-- > 0)
        c += strcspn(c, "|") + 1;
    return xstrndup(c, strcspn(c, "|"));
}

static void list_add(StringList *list, const char *text)
{
    while (true) {
        size_t n = strcspn(text, ",");
        list->items = xrealloc(list->items, list->count + 1, sizeof *list->items);
        list->items[list->count++] = xstrndup(text, n);
        if (!text[n])
            return;
        text += n + 1;
    }
}

static void list_clear(StringList *list)
{
    while (list->count > 0)
        free((void *)list->items[--list->count]);
}

static bool range_given(const Option *o)
{
    return o->min != 0 || o->max != 0;
}

static _Noreturn void value_error(const Option *o, const char *where, const char *text)
{
    if (o->type == OPTION_ENUM)
        usage_error("%s: '%s' is not one of %s", where, text, o->argument);
    if (o->type == OPTION_FLAG)
        usage_error("%s: '%s' is not true or false", where, text);
    const char *kind = o->type == OPTION_INT ? "a whole number" : "a number";
    if (range_given(o))
        usage_error("%s: '%s' is not %s from %.15g to %.15g", where, text, kind, o->min, o->max);
    usage_error("%s: '%s' is not %s", where, text, kind);
}

static bool flag_parse(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *out || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 || !*text;
}

/* Stores one value given as text. `where` names it in errors: "--top-k", "VLRM_TOP_K", "run/config.json: top-k". */
static void option_set(const Option *o, Source source, const char *text, const char *where)
{
    Source *have = &sources[o - in_force->options];
    if (*have > source)
        return;
    int64_t i;
    double lo = range_given(o) ? o->min : -HUGE_VAL, hi = range_given(o) ? o->max : HUGE_VAL, r;
    switch (o->type) {
    case OPTION_FLAG:
        if (!flag_parse(text, o->value))
            value_error(o, where, text);
        break;
    case OPTION_INT:
        if (!parse_int(text, range_given(o) ? (int64_t)lo : INT64_MIN, range_given(o) && hi < 9.2e18 ? (int64_t)hi : INT64_MAX,
                       &i))
            value_error(o, where, text);
        *(int64_t *)o->value = i;
        break;
    case OPTION_REAL:
        if (!parse_real(text, lo, hi, &r))
            value_error(o, where, text);
        *(double *)o->value = r;
        break;
    case OPTION_STRING:
        if (*have != BY_DEFAULT)
            free(*(char **)o->value);
        *(const char **)o->value = source == BY_DEFAULT ? text : xstrdup(text); /* the table outlives all */
        break;
    case OPTION_ENUM:
        if (choice_find(o->argument, text) < 0)
            value_error(o, where, text);
        *(int *)o->value = choice_find(o->argument, text);
        break;
    case OPTION_LIST:
        if (*have < source)
            list_clear(o->value);
        list_add(o->value, text);
        break;
    }
    *have = source;
}

static void set_default(const Option *o)
{
    if (o->type == OPTION_LIST)
        *(StringList *)o->value = (StringList){0};
    if (o->type == OPTION_STRING)
        *(const char **)o->value = NULL;
    if (o->type == OPTION_FLAG)
        *(bool *)o->value = false;
    if (o->fallback)
        option_set(o, BY_DEFAULT, o->fallback, o->name);
    else if (o->type == OPTION_INT || o->type == OPTION_REAL || o->type == OPTION_ENUM)
        bug("option %s has no default", o->name);
}

static void set_from_environment(const Option *o)
{
    char name[128] = "VLRM_";
    size_t n = 5;
    for (const char *c = o->name; *c && n < sizeof name - 1; c++)
        name[n++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    const char *text = getenv(name);
    if (text)
        option_set(o, BY_ENVIRONMENT, text, name);
}

static const Option *option_find(const char *name, size_t n)
{
    for (const Option *o = in_force->options; o->name; o++)
        if (strlen(o->name) == n && n > 0 && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* The bytes of {"$str": base64}, a new string: what text_json writes of a name that is no UTF-8. NULL for anything else. */
static char *bytes_from_json(const json_t *value)
{
    const char *digits = json_string_value(json_object_get(value, "$str"));
    size_t n;
    char *bytes = digits ? (char *)base64_decode(digits, strlen(digits), &n) : NULL;
    if (bytes)
        bytes[n] = '\0';
    return bytes;
}

static void set_from_json(const Option *o, json_t *value, const char *where)
{
    char *bytes = bytes_from_json(value);
    if (json_is_array(value)) {
        size_t i;
        json_t *item;
        json_array_foreach (value, i, item)
            set_from_json(o, item, where);
    } else if (json_is_string(value)) {
        option_set(o, BY_FILE, json_string_value(value), where);
    } else if (bytes) {
        option_set(o, BY_FILE, bytes, where);
    } else if (!json_is_null(value)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        option_set(o, BY_FILE, text, where);
        free(text);
    }
    free(bytes);
}

/* A name that is no option's: what was meant, where one is near. */
static _Noreturn void unknown_name(const char *where, const char *dashes, const char *name, size_t n)
{
    const char *near = option_name_near(name, n);
    if (near && (!*dashes || option_find(near, strlen(near))))
        usage_error("%sno option %s%.*s; did you mean %s%s?", where, dashes, (int)n, name, dashes, near);
    usage_error("%sno %s%s%.*s", where, *dashes ? "option " : "program has an option ", dashes, (int)n, name);
}

/* Keys that are options of other programs are let be: one file may serve a whole pipeline. */
static void set_from_file(const char *path)
{
    json_error_t e;
    json_t *root = json_load_file(path, 0, &e), *value;
    if (!json_is_object(root))
        usage_error("--config %s: line %d: %s", path, e.line, root ? "expected a JSON object" : e.text);
    const char *key;
    json_object_foreach (root, key, value) {
        const Option *o = option_find(key, strlen(key));
        char *where = o ? xasprintf("%s: %s", path, key) : xasprintf("%s: ", path);
        if (o)
            set_from_json(o, value, where);
        else if (!option_name_known(key))
            unknown_name(where, "", key, strlen(key));
        free(where);
    }
    json_decref(root);
}

/* --config is looked for before anything else, since it is weaker than what stands to its left. */
static const char *find_config(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0)
            return i + 1 < argc ? argv[i + 1] : NULL;
    }
    return getenv("VLRM_CONFIG");
}

static bool set_builtin(const char *name, size_t n, const char *value, int *i, int argc, char **argv)
{
    if (n == 4 && memcmp(name, "help", 4) == 0) {
        help_print(in_force);
        exit(finish_stdout(STATUS_CLEAN));
    }
    if (n == 7 && memcmp(name, "version", 7) == 0) {
        printf("%s %s\n", in_force->name, VLRM_VERSION);
        exit(finish_stdout(STATUS_CLEAN));
    }
    if (n == 8 && memcmp(name, "help-all", 8) == 0) {
        help_print_all(in_force);
        exit(finish_stdout(STATUS_CLEAN));
    }
    if (n == 8 && memcmp(name, "help-man", 8) == 0) {
        help_print_man(in_force);
        exit(finish_stdout(STATUS_CLEAN));
    }
    if (n == 12 && memcmp(name, "help-options", 12) == 0) {
        help_print_options(in_force);
        exit(finish_stdout(STATUS_CLEAN));
    }
    if (n == 7 && memcmp(name, "verbose", 7) == 0) {
        verbosity++;
        return true;
    }
    if (n == 6 && memcmp(name, "config", 6) == 0) {
        if (!value && ++*i >= argc)
            usage_error("--config needs a value (FILE)");
        return true;
    }
    if (n == 11 && memcmp(name, "status-file", 11) == 0) {
        if (!value && ++*i >= argc)
            usage_error("--status-file needs a value (FILE)");
        status_file = value ? value : argv[*i];
        return true;
    }
    return false;
}

/* The value of an option given without one: "3" of "[LEVEL=3]" (a new string), or NULL where a value is needed. */
static char *implied_value(const Option *o)
{
    const char *from = o->argument && o->argument[0] == '[' ? strchr(o->argument, '=') : NULL;
    return from ? xstrndup(from + 1, strcspn(from + 1, "]")) : NULL;
}

static void parse_long(int argc, char **argv, int *i)
{
    const char *name = argv[*i] + 2;
    size_t n = strcspn(name, "=");
    const char *value = name[n] == '=' ? name + n + 1 : NULL;
    const Option *o = option_find(name, n);
    if (!o && set_builtin(name, n, value, i, argc, argv))
        return;
    const char *on = "true";
    if (!o && n > 3 && memcmp(name, "no-", 3) == 0 && (o = option_find(name + 3, n - 3)) != NULL && o->type == OPTION_FLAG)
        on = "false";
    char *negated = NULL;
    if (!o) {
        negated = xasprintf("no-%.*s", (int)n, name);
        o = option_find(negated, strlen(negated));
        if (o && o->type != OPTION_FLAG)
            o = NULL;
        on = "false";
    }
    free(negated);
    if (!o || (strcmp(on, "false") == 0 && value))
        unknown_name("", "--", name, n);
    char *where = xasprintf("--%.*s", (int)n, name);
    char *implied = value ? NULL : implied_value(o);
    if (o->type == OPTION_FLAG)
        value = value ? value : on;
    else if (implied)
        value = implied;
    else if (!value && ++*i >= argc)
        usage_error("--%s needs a value (%s)", o->name, o->argument ? o->argument : "VALUE");
    option_set(o, BY_FLAG, value ? value : argv[*i], where);
    free(implied);
    free(where);
}

static void parse_short(int argc, char **argv, int *i)
{
    for (const char *c = argv[*i] + 1; *c; c++) {
        const Option *o = in_force->options;
        while (o->name && o->letter != *c)
            o++;
        if (!o->name && *c == 'h')
            set_builtin("help", 4, NULL, i, argc, argv);
        if (!o->name && *c == 'v') {
            verbosity++;
            continue;
        }
        if (!o->name)
            usage_error("no option -%c", *c);
        if (o->type == OPTION_FLAG) {
            option_set(o, BY_FLAG, "true", o->name);
            continue;
        }
        if (!c[1] && ++*i >= argc)
            usage_error("-%c needs a value (%s)", *c, o->argument ? o->argument : "VALUE");
        option_set(o, BY_FLAG, c[1] ? c + 1 : argv[*i], o->name);
        return;
    }
}

char **options_parse(const Program *program, int argc, char **argv, int *n_operands)
{
    progname = program->name;
    in_force = program;
    progress_signals();
    signal(SIGXFSZ, SIG_IGN); /* a write beyond a limit (ulimit -f) fails, and is said, like one on a full disk */
    sources = xcalloc(count_options(program->options) + 1, sizeof *sources);
    for (const Option *o = program->options; o->name; o++)
        if (*o->name)
            set_default(o);
    const char *config = find_config(argc, argv);
    if (config)
        set_from_file(config);
    for (const Option *o = program->options; o->name; o++)
        if (*o->name)
            set_from_environment(o);
    static char **operands; /* static: it lives until exit */
    operands = xcalloc((size_t)argc + 1, sizeof *operands);
    int n = 0;
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        if (ended || argv[i][0] != '-' || !argv[i][1])
            operands[n++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            ended = true;
        else if (argv[i][1] == '-')
            parse_long(argc, argv, &i);
        else
            parse_short(argc, argv, &i);
    }
    *n_operands = n;
    Error err = {0};
    if (status_file && !status_publish(status_file, &err))
        die_status(err.status, "%s", err.text);
    return operands;
}

/* Names are bytes, JSON's strings are not: a value that is no UTF-8 is {"$str": base64}, as formats/envelope.md has it. */
static json_t *text_json(const char *text)
{
    json_t *s = json_string(text);
    char *digits = s ? NULL : base64_encode(text, strlen(text));
    if (digits)
        s = json_pack("{s:s}", "$str", digits);
    free(digits);
    return s;
}

static json_t *option_json(const Option *o)
{
    const StringList *list = o->value;
    json_t *array;
    char *name;
    switch (o->type) {
    case OPTION_FLAG:
        return json_boolean(*(bool *)o->value);
    case OPTION_INT:
        return json_integer(*(int64_t *)o->value);
    case OPTION_REAL:
        return isfinite(*(double *)o->value) ? json_real(*(double *)o->value) : json_null();
    case OPTION_STRING:
        return *(const char **)o->value ? text_json(*(const char **)o->value) : json_null();
    case OPTION_ENUM:
        name = choice_name(o->argument, *(int *)o->value);
        array = json_string(name);
        free(name);
        return array;
    case OPTION_LIST:
        array = json_array();
        for (size_t i = 0; i < list->count; i++)
            json_array_append_new(array, text_json(list->items[i]));
        return array;
    }
    bug("option %s has no type", o->name);
}

json_t *options_json(const Program *program)
{
    json_t *all = json_object();
    for (const Option *o = program->options; o->name; o++)
        if (*o->name)
            json_object_set_new(all, o->name, option_json(o));
    return all;
}

json_t *options_may_change(const Program *program)
{
    json_t *names = json_array();
    for (const Option *o = program->options; o->name; o++)
        if (o->may_change)
            json_array_append_new(names, json_string(o->name));
    return names;
}

bool option_given(const Program *program, const char *name)
{
    const Option *o = option_find(name, strlen(name));
    if (!o || program != in_force)
        bug("no option %s", name);
    return sources[o - in_force->options] != BY_DEFAULT;
}
