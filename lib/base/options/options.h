/*
 * One table of options is a program's parser, defaults, ranges, --help, manual page and the params of its stream header.
 *
 * Where a value comes from, strongest first: the flag, the environment (VLRM_NAME_WITH_UNDERSCORES), --config FILE
 * (a JSON object of option names, a run's config.json among them), the default in the table.
 * Every program also has --help (-h: one screen), --help-all, --version, --config, --status-file (status.h), --verbose (-v) and,
 * hidden, --help-man (make man) and --help-options (formats/options.md: the table for machines); the table does not list those.
 */
#ifndef BASE_OPTIONS_OPTIONS_H
#define BASE_OPTIONS_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OptionType {
    OPTION_FLAG,   /* bool: --name, --no-name; a flag whose name begins with "no-" is turned off by the name without it */
    OPTION_INT,    /* int64_t in [min, max] */
    OPTION_REAL,   /* double in [min, max] */
    OPTION_STRING, /* const char *; NULL when not given and fallback is NULL */
    OPTION_ENUM,   /* an enum whose values count from 0, or an int: index into choices ("a|b|c") */
    OPTION_LIST,   /* StringList: may be given several times, or with commas */
} OptionType;

typedef struct StringList {
    const char **items; /* owned by the options, live until exit */
    size_t count;
} StringList;

typedef struct Option {
    const char *name; /* long name without dashes; NULL ends the table; "" starts a group, titled by help */
    char letter;      /* short name, or 0 */
    OptionType type;
    void *value;          /* where the value is stored; its type is said above */
    const char *fallback; /* default, as the user would type it; NULL for false, empty, none */
    double min, max;      /* INT and REAL: the range, both ends allowed; min == max == 0 for any */
    const char *argument; /* what help calls the value: "DIR", "N"; ENUM: "a|b|c". "[LEVEL=3]": may be left out, then it is 3 */
    const char *help;     /* one sentence; "paper: ..." facts belong here too */
    bool may_change;      /* other values leave the numbers alone: the machine, where files lie, when to end, what is told. Of any
                             other a run keeps the value, and refuses another when it goes on */
    bool first;           /* among the five that --help shows */
} Option;

/*
 * The rows of a table. `value` points at what the option is stored in, of the type that OptionType says: another is a compiler's
 * error. What is left in ...: argument (but of flags) and help, then marks, such as .may_change = true.
 *
 *     OPT_GROUP("Batches"),
 *     OPT_FLAG("loop", 'l', &o.loop, "begin again at the end"),
 *     OPT_INT("batch", 0, &o.batch, "6", 1, 4096, "N", "records per step", .first = true),
 *     OPT_END,
 */
/* clang-format off */
#define OPT_GROUP(title) {.name = "", .help = (title)}
#define OPT_FLAG(name_, letter, value, ...) \
    {.name = (name_), letter, OPTION_FLAG, OPT_AT(bool, value), NULL, 0, 0, NULL, __VA_ARGS__}
/* A flag that is on unless it is turned off. */
#define OPT_FLAG_ON(name_, letter, value, ...) \
    {.name = (name_), letter, OPTION_FLAG, OPT_AT(bool, value), "true", 0, 0, NULL, __VA_ARGS__}
#define OPT_INT(name_, letter, value, fallback, min, max, ...) \
    {.name = (name_), letter, OPTION_INT, OPT_AT(int64_t, value), fallback, min, max, __VA_ARGS__}
#define OPT_REAL(name_, letter, value, fallback, min, max, ...) \
    {.name = (name_), letter, OPTION_REAL, OPT_AT(double, value), fallback, min, max, __VA_ARGS__}
#define OPT_STRING(name_, letter, value, fallback, ...) \
    {.name = (name_), letter, OPTION_STRING, OPT_AT(const char *, value), fallback, 0, 0, __VA_ARGS__}
#define OPT_ENUM(name_, letter, value, fallback, ...) \
    {.name = (name_), letter, OPTION_ENUM, value, fallback, OPT_SIZE(int, value), 0, __VA_ARGS__}
#define OPT_LIST(name_, letter, value, fallback, ...) \
    {.name = (name_), letter, OPTION_LIST, OPT_AT(StringList, value), fallback, 0, 0, __VA_ARGS__}
#define OPT_END {0}
/* clang-format on */

/* The address itself, of that type; and 0 where what it points at has the type's size. */
#define OPT_AT(type, value) (1 ? (value) : (type *)0)
#define OPT_SIZE(type, value) (0 * sizeof(char[sizeof *(value) == sizeof(type) ? 1 : -1]))

typedef struct Program {
    const char *name;        /* "vlrm-extract" */
    const char *summary;     /* one line, also the manual page's NAME */
    const char *operands;    /* "[file|-]..." */
    const char *input;       /* record groups read: "frame", "caption, reward"; NULL when none */
    const char *output;      /* record groups written */
    const char *description; /* paragraphs separated by an empty line */
    const char *examples;    /* commands, one a line; "# text" lines are said as prose. Every one is run by a test */
    const Option *options;
} Program;

/*
 * Reads argv. On wrong usage prints what is wrong and exits with STATUS_USAGE; --help, --version, --help-man and
 * --help-options print and exit 0. Sets progname and verbosity. Returns the operands (argv's own strings, count in *n_operands);
 * "--" ends the options.
 */
char **options_parse(const Program *program, int argc, char **argv, int *n_operands);

/* Every option in force as a JSON object (a new reference): what a stream's header carries as params. A text that is no UTF-8 is
 * {"$str": base64}, which --config takes back. */
json_t *options_json(const Program *program);

/* The names of those marked .may_change, a JSON array (a new reference): a stream's header carries it too. */
json_t *options_may_change(const Program *program);

/* Whether the option was given by flag, environment or file rather than by default. */
bool option_given(const Program *program, const char *name);

/* Print "name: format" for wrong combinations of options, point to --help, and exit with STATUS_USAGE. */
_Noreturn void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Strict numbers: the whole string must be one within [min, max]. */
bool parse_int(const char *s, int64_t min, int64_t max, int64_t *out);
bool parse_real(const char *s, double min, double max, double *out);

#endif
