/*
 * inject: runs a command and fails one of its system calls, wherever in its processes and threads that call is made.
 *
 *     inject LOG 0 0 0 COMMAND...               fails none; LOG gets a line for each call: its number, its arguments, what it
 * returned inject LOG NUMBER ERRNO N COMMAND...      the Nth call of that number is not made and returns ERRNO; LOG says what it
 * was inject LOG NUMBER 0 N COMMAND...          its process is killed instead, before the call
 *
 * Unlike strace's, its count is over all threads together, so that it is one call that fails. Ends as the command does, when
 * every process of it has ended; they are killed with it. For x86-64.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *log_file;
static long wanted, error, place, counted;
static pid_t failing; /* the thread whose call is being failed; 0 for none */

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* The text at that address of the thread's process, if it is text. */
static void log_text(pid_t thread, uint64_t address)
{
    char text[81] = "";
    struct iovec to = {text, sizeof text - 1}, from = {(void *)(uintptr_t)address, sizeof text - 1}; /* NOLINT */
    if (address < 4096 || process_vm_readv(thread, &to, 1, &from, 1, 0) <= 0)
        return;
    size_t n = 0;
    while (text[n] >= ' ' && text[n] < 0x7f)
        n++;
    if (n > 0)
        fprintf(log_file, " \"%.*s\"", (int)n, text);
}

/* A call is about to be made. */
static void call_begins(pid_t thread, const struct __ptrace_syscall_info *call)
{
    if (place == 0)
        fprintf(log_file, "%lld\n", (long long)call->entry.nr);
    if (place == 0 || (long)call->entry.nr != wanted || ++counted != place)
        return;
    fprintf(log_file, "failed %ld(%lld, %lld)", wanted, (long long)call->entry.args[0], (long long)call->entry.args[1]);
    log_text(thread, call->entry.args[0]);
    log_text(thread, call->entry.args[1]);
    fputc('\n', log_file);
    if (error == 0) {
        kill(thread, SIGKILL);
        return;
    }
    failing = thread;
    if (ptrace(PTRACE_POKEUSER, thread, offsetof(struct user_regs_struct, orig_rax), -1L) != 0)
        fail("change a call");
}

/* The failed call has not been made. */
static void call_ends(pid_t thread)
{
    if (failing != thread)
        return;
    failing = 0;
    if (ptrace(PTRACE_POKEUSER, thread, offsetof(struct user_regs_struct, rax), -error) != 0)
        fail("change a result");
}

/* Where the program begins once the loader and the libraries' constructors are done; 0 when that cannot be known. */
static unsigned long entry_of(pid_t process)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/auxv", (int)process);
    FILE *f = fopen(path, "re");
    unsigned long pair[2] = {0, 0};
    while (f && fread(pair, sizeof pair, 1, f) == 1 && pair[0] != AT_ENTRY) {
    }
    if (f)
        fclose(f);
    return pair[0] == AT_ENTRY ? pair[1] : 0;
}

static unsigned long entry; /* a breakpoint is there, */
static long code;           /* in place of this */

static void entry_watch(pid_t process)
{
    entry = entry_of(process);
    code = ptrace(PTRACE_PEEKTEXT, process, entry, 0L);
    ptrace(PTRACE_POKETEXT, process, entry, (code & ~0xffL) | 0xcc);
}

static void entry_reached(pid_t process)
{
    ptrace(PTRACE_POKETEXT, process, entry, code);
    ptrace(PTRACE_POKEUSER, process, offsetof(struct user_regs_struct, rip), entry);
    fputs("main\n", log_file);
    entry = 0;
}

/* What a stopped thread goes on with: a request and a signal. */
static void go_on(pid_t thread, int status)
{
    static bool exec_seen;
    int sig = WSTOPSIG(status), event = status >> 16;
    struct __ptrace_syscall_info call = {0};
    if (sig == (SIGTRAP | 0x80)) {
        ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof call, &call);
        if (call.op == PTRACE_SYSCALL_INFO_ENTRY)
            call_begins(thread, &call);
        else if (call.op == PTRACE_SYSCALL_INFO_EXIT)
            call_ends(thread);
    }
    if (place == 0 && event == PTRACE_EVENT_EXEC && !exec_seen) {
        exec_seen = true;
        entry_watch(thread);
    }
    if (entry && event == 0 && sig == SIGTRAP) {
        entry_reached(thread);
        sig = 0;
    }
    if (event == PTRACE_EVENT_STOP && (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU))
        ptrace(PTRACE_LISTEN, thread, 0L, 0L);
    else
        ptrace(PTRACE_SYSCALL, thread, 0L, event || sig == (SIGTRAP | 0x80) ? 0L : (long)sig);
}

static pid_t start(char **command)
{
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        raise(SIGSTOP);
        execvp(command[0], command);
        fail(command[0]);
    }
    int status;
    if (waitpid(child, &status, WUNTRACED) != child)
        fail("wait");
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                         PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, child, 0L, options) != 0) {
        int why = errno;
        kill(child, SIGKILL);
        errno = why;
        fail("trace");
    }
    kill(child, SIGCONT);
    return child;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fputs("usage: inject LOG NUMBER ERRNO N COMMAND...\n", stderr);
        return 2;
    }
    log_file = fopen(argv[1], "we");
    if (!log_file)
        fail(argv[1]);
    wanted = strtol(argv[2], NULL, 10);
    error = strtol(argv[3], NULL, 10);
    place = strtol(argv[4], NULL, 10);
    pid_t child = start(argv + 5), thread;
    int status, end = 0;
    while ((thread = waitpid(-1, &status, __WALL)) > 0) {
        if (WIFSTOPPED(status))
            go_on(thread, status);
        else if (thread == child)
            end = status;
    }
    fclose(log_file);
    if (WIFEXITED(end))
        return WEXITSTATUS(end);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(WTERMSIG(end), SIG_DFL);
    raise(WTERMSIG(end));
    return 125;
}
