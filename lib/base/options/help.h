/* --help, manual page and table for machines of an option table (base/options.h). */
#ifndef BASE_OPTIONS_HELP_H
#define BASE_OPTIONS_HELP_H

#include "base/options/options.h"

/* Prints one screen: usage, what it reads and writes, the options that matter first, an example. */
void help_print(const Program *program);

/* Prints all of it: the description, every option with default and range, every example. */
void help_print_all(const Program *program);

/* Prints the manual page (roff, section 1) to stdout: doc/<name>.1 is made so, and a test compares them. */
void help_print_man(const Program *program);

/* Prints the table to stdout as one JSON object (formats/options.md): what recipes and other programs read. */
void help_print_options(const Program *program);

#endif
