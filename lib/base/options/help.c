/* --help, manual page and the table for machines, all from the option table; see options_help.h. */
#include "base/options/help.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 34, LINE_WIDTH = 98, FIRST_MOST = 5 };

static const Option common[] = {
    OPT_GROUP("Common"),
    OPT_STRING("config", 0, NULL, NULL, "FILE",
               "read options by name from a JSON object; weaker than flags and the environment (VLRM_OPTION_NAME)",
               .may_change = true),
    OPT_STRING("status-file", 0, NULL, NULL, "FILE",
               "say how far the program is in this file of JSON, once a second; on stderr at SIGUSR1", .may_change = true),
    OPT_FLAG("verbose", 'v', NULL, "say more on stderr", .may_change = true),
    OPT_FLAG("help", 'h', NULL, "show one screen: the options that matter first", .may_change = true),
    OPT_FLAG("help-all", 0, NULL, "show every option", .may_change = true),
    OPT_FLAG("version", 0, NULL, "print the version", .may_change = true),
    OPT_END,
};

static const char *statuses[][2] = {
    {"0", "clean"},
    {"1", "failure"},
    {"2", "wrong usage"},
    {"3", "finished, but some records failed"},
    {"4", "empty input where input was required"},
    {"5", "input truncated or corrupt, or upstream failed"},
    {"6", "mismatch (schema, tokenizer, model digest, stale policy)"},
    {"7", "a check failed"},
    {"8", "out of memory"},
    {"75", "interrupted after a good checkpoint"},
    {"141", "whoever read the output is gone; nothing is said"},
};

/* Prints text from column `at` on, wrapped, with further lines indented by `indent`. */
static void print_wrapped(const char *text, int at, int indent)
{
    int column = at;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column + 1 + n > LINE_WIDTH && column > indent) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        if (column > indent)
            column += printf(" ");
        column += printf("%.*s", n, text);
        text += n + (text[n] == ' ');
    }
    putchar('\n');
}

/* "default 6, 1 to 100": what the table says beyond the sentence. */
static void facts(const Option *o, char *out, size_t size)
{
    out[0] = '\0';
    size_t n = 0;
    if (o->fallback && (o->type != OPTION_FLAG || strcmp(o->fallback, "true") == 0))
        n = (size_t)snprintf(out, size, "default %s", o->type == OPTION_FLAG ? "on" : o->fallback);
    bool numeric = o->type == OPTION_INT || o->type == OPTION_REAL;
    if (numeric && (o->min != 0 || o->max != 0) && n < size) {
        if (o->max >= 9e15)
            snprintf(out + n, size - n, "%sfrom %.15g", n ? ", " : "", o->min);
        else
            snprintf(out + n, size - n, "%s%.15g to %.15g", n ? ", " : "", o->min, o->max);
        n = strlen(out);
    }
    const char *implied = o->argument && o->argument[0] == '[' ? strchr(o->argument, '=') : NULL;
    if (implied && n < size)
        snprintf(out + n, size - n, "%s%.*s when given alone", n ? ", " : "", (int)strcspn(implied + 1, "]"), implied + 1);
}

/* What follows the name: " N", or "[=LEVEL]" where the value may be left out ("[LEVEL=3]" in the table). */
static void argument_text(const Option *o, char *out, size_t size)
{
    const char *a = o->argument ? o->argument : "";
    if (*a == '[')
        snprintf(out, size, "[=%.*s]", (int)strcspn(a + 1, "="), a + 1);
    else
        snprintf(out, size, "%s%s", *a ? " " : "", a);
}

static void print_option(const Option *o)
{
    char text[2048], range[256], left[512], argument[384];
    if (!*o->name) {
        printf("\n%s:\n", o->help);
        return;
    }
    facts(o, range, sizeof range);
    snprintf(text, sizeof text, "%s%s%s%s", o->help, *range ? " (" : "", range, *range ? ")" : "");
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    argument_text(o, argument, sizeof argument);
    int n = snprintf(left, sizeof left, "  %s--%s%s", letter, o->name, argument);
    if (n >= HELP_COLUMN - 1)
        printf("%s\n%*s", left, HELP_COLUMN, "");
    else
        printf("%-*s", HELP_COLUMN, left);
    print_wrapped(text, HELP_COLUMN, HELP_COLUMN);
}

static void print_paragraphs(const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        int n = (int)(end ? (size_t)(end - text) : strlen(text));
        char paragraph[8192];
        snprintf(paragraph, sizeof paragraph, "%.*s", n, text);
        for (char *c = paragraph; *c; c++)
            if (*c == '\n')
                *c = ' ';
        print_wrapped(paragraph, 0, 0);
        text += n + (end ? 2 : 0);
        if (end)
            putchar('\n');
    }
}

static void print_usage(const Program *p)
{
    char flow[1024];
    printf("usage: %s [options] %s\n\n", p->name, p->operands);
    snprintf(flow, sizeof flow, "%s.", p->summary);
    print_wrapped(flow, 0, 0);
    if (!p->input && !p->output)
        return;
    snprintf(flow, sizeof flow, "stdin: %s  stdout: %s", p->input ? p->input : "-", p->output ? p->output : "-");
    putchar('\n');
    print_wrapped(flow, 0, 0);
}

/* The options marked first; where a table marks none, those that it begins with. Returns how many there are in all. */
static size_t print_first(const Option *options)
{
    size_t n = 0, marked = 0, printed = 0;
    for (const Option *o = options; o->name; o++)
        marked += o->first;
    for (const Option *o = options; o->name; o++) {
        n += *o->name != '\0';
        if (!*o->name || (marked ? !o->first : printed == FIRST_MOST))
            continue;
        print_option(o);
        printed++;
    }
    return n;
}

/* The first example that fits a line, with the sentence before it. */
static void print_example(const char *examples)
{
    const char *prose = NULL;
    for (const char *c = examples; c && *c; c += strcspn(c, "\n"), c += *c == '\n') {
        int n = (int)strcspn(c, "\n");
        if (c[0] == '#') {
            prose = c;
        } else if (n + 2 <= LINE_WIDTH) {
            printf("\nExample:\n");
            if (prose)
                printf("  %.*s\n", (int)strcspn(prose, "\n"), prose);
            printf("  %.*s\n", n, c);
            return;
        } else {
            prose = NULL;
        }
    }
}

void help_print(const Program *p)
{
    print_usage(p);
    printf("\nOptions:\n");
    size_t n = print_first(p->options);
    print_option(&(Option){.name = "help-all", .help = "what it does in full, and every option"});
    print_example(p->examples);
    printf("\n%zu options in all; man %s is the manual page.\n", n, p->name);
}

void help_print_all(const Program *p)
{
    print_usage(p);
    putchar('\n');
    print_paragraphs(p->description);
    if (p->options[0].name && *p->options[0].name)
        printf("\nOptions:\n");
    for (const Option *o = p->options; o->name; o++)
        print_option(o);
    for (const Option *o = common; o->name; o++)
        print_option(o);
    if (p->examples)
        printf("\nExamples:\n");
    for (const char *c = p->examples; c && *c;) {
        int n = (int)strcspn(c, "\n");
        printf("  %.*s\n", n, c);
        c += n + (c[n] == '\n');
    }
}

/* Roff: a leading dot or quote is a request, a backslash an escape, a hyphen a minus only if escaped. */
static void man_text(const char *text, size_t n)
{
    bool start = true;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (start && (c == '.' || c == '\''))
            printf("\\&");
        start = c == '\n';
        if (c == '\\')
            printf("\\e");
        else if (c == '-')
            printf("\\-");
        else
            putchar(c);
    }
}

static void man_string(const char *text)
{
    man_text(text, strlen(text));
}

static void man_option(const Option *o)
{
    if (!*o->name) {
        printf(".SS \"");
        man_string(o->help);
        printf("\"\n");
        return;
    }
    char range[256];
    facts(o, range, sizeof range);
    printf(".TP\n");
    if (o->letter)
        printf("\\fB\\-%c\\fR, ", o->letter);
    printf("\\fB\\-\\-");
    man_string(o->name);
    printf("\\fR");
    if (o->argument) {
        char argument[384];
        argument_text(o, argument, sizeof argument);
        printf(*argument == ' ' ? " \\fI" : "\\fI");
        man_string(argument + (*argument == ' '));
        printf("\\fR");
    }
    putchar('\n');
    man_string(o->help);
    if (*range) {
        printf(" (");
        man_string(range);
        putchar(')');
    }
    printf(".\n");
}

static void man_paragraphs(const char *text)
{
    for (const char *c = text; *c;) {
        const char *end = strstr(c, "\n\n");
        size_t n = end ? (size_t)(end - c) : strlen(c);
        man_text(c, n);
        printf("\n");
        c += n + (end ? 2 : 0);
        if (end)
            printf(".PP\n");
    }
}

static void man_examples(const char *c)
{
    printf(".SH EXAMPLES\n");
    while (*c) {
        size_t n = strcspn(c, "\n");
        bool prose = n > 1 && c[0] == '#' && c[1] == ' ';
        printf(prose ? ".PP\n" : ".PP\n.nf\n.RS 4\n");
        man_text(prose ? c + 2 : c, prose ? n - 2 : n);
        printf(prose ? "\n" : "\n.RE\n.fi\n");
        c += n + (c[n] == '\n');
    }
}

void help_print_man(const Program *p)
{
    char upper[64];
    snprintf(upper, sizeof upper, "%s", p->name);
    for (char *c = upper; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    printf(".TH %s 1 \"\" \"vlrm %s\" \"vlrm\"\n.SH NAME\n", upper, VLRM_VERSION);
    man_string(p->name);
    printf(" \\- ");
    man_string(p->summary);
    printf("\n.SH SYNOPSIS\n\\fB");
    man_string(p->name);
    printf("\\fR [options] ");
    man_string(p->operands);
    printf("\n.SH DESCRIPTION\n");
    man_paragraphs(p->description);
    if (p->input || p->output) {
        printf(".PP\nReads: ");
        man_string(p->input ? p->input : "nothing");
        printf(". Writes: ");
        man_string(p->output ? p->output : "nothing");
        printf(".\n");
    }
    printf(".SH OPTIONS\n");
    for (const Option *o = p->options; o->name; o++)
        man_option(o);
    for (const Option *o = common; o->name; o++)
        man_option(o);
    printf(".SH EXIT STATUS\n");
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        printf(".TP\n%s\n%s\n", statuses[i][0], statuses[i][1]);
    if (p->examples)
        man_examples(p->examples);
    printf(".SH SEE ALSO\nvlrm(7)\n");
}

/* ---- for machines ---- */

/* The texts between separators, an array. */
static json_t *split_json(const char *text, const char *separator)
{
    json_t *array = json_array();
    for (const char *c = text; c && *c;) {
        size_t n = strcspn(c, separator);
        json_array_append_new(array, json_stringn(c, n));
        c += n + (c[n] != '\0');
    }
    return array;
}

/* What stands between '=' and ']' in "[LEVEL=3]"; null for an option whose value cannot be left out. */
static json_t *implied_json(const Option *o)
{
    const char *from = o->argument && o->argument[0] == '[' ? strchr(o->argument, '=') : NULL;
    return from ? json_stringn(from + 1, strcspn(from + 1, "]")) : json_null();
}

/* The name of the value alone: "LEVEL" of "[LEVEL=3]". */
static json_t *argument_json(const Option *o)
{
    const char *a = o->argument;
    return !a ? json_null() : *a == '[' ? json_stringn(a + 1, strcspn(a + 1, "=]")) : json_string(a);
}

static json_t *default_json(const Option *o)
{
    if (o->type == OPTION_FLAG)
        return json_boolean(o->fallback && strcmp(o->fallback, "true") == 0);
    if (o->type == OPTION_LIST)
        return split_json(o->fallback, ",");
    if (!o->fallback)
        return json_null();
    return o->type == OPTION_INT    ? json_integer(strtoll(o->fallback, NULL, 10))
           : o->type == OPTION_REAL ? json_real(strtod(o->fallback, NULL))
                                    : json_string(o->fallback);
}

static json_t *limit_json(const Option *o, double limit)
{
    if ((o->type != OPTION_INT && o->type != OPTION_REAL) || (o->min == 0 && o->max == 0))
        return json_null();
    return o->type == OPTION_INT ? json_integer((json_int_t)limit) : json_real(limit);
}

static void options_append(json_t *all, const Option *table)
{
    static const char *const types[] = {"flag", "int", "real", "string", "enum", "list"};
    const char *group = NULL;
    for (const Option *o = table; o->name; o++) {
        if (!*o->name) {
            group = o->help;
            continue;
        }
        char letter[2] = {o->letter, '\0'};
        json_array_append_new(all, json_pack("{s:s, s:s?, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s?, s:b, s:b, s:s}", "name",
                                             o->name, "letter", o->letter ? letter : NULL, "type", types[o->type], "value",
                                             argument_json(o), "implied", implied_json(o), "default", default_json(o), "choices",
                                             o->type == OPTION_ENUM ? split_json(o->argument, "|") : json_null(), "min",
                                             limit_json(o, o->min), "max", limit_json(o, o->max), "group", group, "first",
                                             (int)o->first, "numbers", (int)!o->may_change, "help", o->help));
    }
}

void help_print_options(const Program *p)
{
    json_t *options = json_array();
    options_append(options, p->options);
    options_append(options, common);
    json_t *all =
        json_pack("{s:s, s:s, s:s, s:o}", "program", p->name, "summary", p->summary, "operands", p->operands, "options", options);
    json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    putchar('\n');
    json_decref(all);
}
