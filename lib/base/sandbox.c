/* Seccomp through libseccomp, Landlock by its three system calls; see sandbox.h. */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/msg.h"

/* The network, other programs, other processes, and doors of the kernel that lead round a filter of system calls. */
static const char *const confined[] = {
    "socket",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "kcmp",
    "pidfd_open",
    "pidfd_getfd",
    "process_vm_readv",
    "unshare",
    "setns",
    "io_uring_setup",
    "io_uring_enter",
    "process_vm_writev",
    "bpf",
    "keyctl",
    "userfaultfd",
    "perf_event_open",
    "open_by_handle_at",
    "add_key",
    "request_key",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "init_module",
    "finit_module",
    "kexec_load",
    "kexec_file_load",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "fspick",
    "mount_setattr",
    "io_uring_register",
};

static const char *const opening[] = {"open", "openat", "openat2"};

/* Whatever else takes a path; and signals for others (abort's own is tgkill). */
static const char *const changing[] = {
    "creat",           "truncate",     "unlink",    "unlinkat",  "rename",    "renameat", "renameat2", "link",
    "linkat",          "symlink",      "symlinkat", "mknod",     "mknodat",   "mkdir",    "mkdirat",   "rmdir",
    "chmod",           "fchmodat",     "chown",     "lchown",    "fchownat",  "setxattr", "lsetxattr", "removexattr",
    "lremovexattr",    "utime",        "utimes",    "utimensat", "futimesat", "chdir",    "kill",      "tkill",
    "rt_sigqueueinfo", "memfd_create", "swapon",    "swapoff",   "acct",
};

static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

/* Fails these calls; those that this processor or libseccomp does not know cannot be made by name either. */
static bool refuse(scmp_filter_ctx filter, const char *const *names, size_t n)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number >= 0)
            ok = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0) == 0 && ok;
    }
    return ok;
}

/* New threads, but no new processes. clone3's flags lie in memory, where a filter cannot look: libc goes on to clone without it.
 */
static bool refuse_processes(scmp_filter_ctx filter)
{
    int clone3 = seccomp_syscall_resolve_name("clone3");
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) ==
               0 &&
           (clone3 < 0 || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0) == 0);
}

/* Opening for more than reading, by open's flags; openat2's lie in memory: whoever calls it shall think that it is not there. */
static bool refuse_writing(scmp_filter_ctx filter)
{
    static const uint64_t flags[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC};
    int open2 = seccomp_syscall_resolve_name("openat2"), old = seccomp_syscall_resolve_name("open");
    bool ok = open2 < 0 || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), open2, 0) == 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        ok = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, flags[i], flags[i])) == 0 &&
             ok;
        if (old >= 0)
            ok = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), old, 1, SCMP_A1(SCMP_CMP_MASKED_EQ, flags[i], flags[i])) == 0 &&
                 ok;
    }
    return ok;
}

typedef enum Calls { CALLS_CONFINED, CALLS_READING, CALLS_SEALED } Calls;

/* Every thread of the process takes the filter. */
static bool filter_calls(Calls calls)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = filter && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
              refuse(filter, confined, sizeof confined / sizeof *confined) && refuse_processes(filter) &&
              (calls < CALLS_READING || refuse(filter, changing, sizeof changing / sizeof *changing)) &&
              (calls != CALLS_READING || refuse_writing(filter)) &&
              (calls < CALLS_SEALED || refuse(filter, opening, sizeof opening / sizeof *opening)) && seccomp_load(filter) == 0;
    if (filter)
        seccomp_release(filter);
    return ok;
}

/* As linux/landlock.h has it since Linux 6.12 (version 6); older kernels know less of it. */
typedef struct LandlockRules {
    uint64_t files, network, scoped;
} LandlockRules;

enum { NR_LANDLOCK_CREATE_RULESET = 444, NR_LANDLOCK_ADD_RULE, NR_LANDLOCK_RESTRICT_SELF }; /* on every processor */
enum { LANDLOCK_PATH_BENEATH = 1 };
enum { EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3, REMOVE_DIR = 1 << 4, REMOVE_FILE = 1 << 5 };
enum { MAKE_DIR = 1 << 7, MAKE_REG = 1 << 8, MAKE_SYM = 1 << 12, REFER = 1 << 13, TRUNCATE = 1 << 14, IOCTL_DEV = 1 << 15 };
enum { TO_READ = READ_FILE | READ_DIR, OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV };
enum { TO_WRITE = TO_READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE };
enum { LANDLOCK_VERSION_FLAG = 1, RIGHTS_AT_FIRST = 13, RIGHTS_AT_LAST = 16, VERSION_NETWORK = 4, VERSION_SCOPES = 6 };

/* A rule: these rights on what `parent` has open, and below. */
typedef struct __attribute__((packed)) LandlockBelow {
    uint64_t rights;
    int32_t parent;
} LandlockBelow;

/* Allows rights on what stands at path, and below it. Nothing there: nothing is allowed. */
static bool allow(int rules, const char *path, uint64_t rights)
{
    struct stat st;
    LandlockBelow below = {rights, open(path, O_PATH | O_CLOEXEC)};
    if (below.parent < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP || errno == ENAMETOOLONG;
    bool there = fstat(below.parent, &st) == 0;
    if (there && !S_ISDIR(st.st_mode))
        below.rights &= OF_A_FILE;
    bool ok = there && (syscall(NR_LANDLOCK_ADD_RULE, rules, LANDLOCK_PATH_BENEATH, &below, 0) == 0 ||
                        errno == EBADFD); /* a pipe, by /dev/fd: Landlock is not about those */
    close(below.parent);
    return ok;
}

/* Allows writing at path: a folder; or a file with what lies beside it, for it may be made anew under another name. */
static bool allow_writing(int rules, const char *path, uint64_t rights)
{
    struct stat st;
    bool there = stat(path, &st) == 0, ok = true;
    if (there)
        ok = allow(rules, path, rights);
    if (there && !S_ISREG(st.st_mode))
        return ok;
    char *copy = xstrdup(path), *folder = copy;
    do
        folder = dirname(folder);
    while (stat(folder, &st) != 0 && strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0);
    ok = allow(rules, folder, rights) && ok;
    free(copy);
    return ok;
}

/* Allows what is in `files` of the rights that are handled. */
static bool allow_files(int rules, const SandboxFiles *files, uint64_t handled)
{
    bool ok = true;
    for (size_t i = 0; i < files->n_read && ok; i++)
        ok = !files->read[i] || allow(rules, files->read[i], handled & TO_READ);
    for (size_t i = 0; i < files->n_write && ok; i++)
        ok = !files->write[i] || allow_writing(rules, files->write[i], handled & TO_WRITE);
    return ok;
}

/* Handles every right that the kernel's version knows, but for reading where any file may be read; allows `files`. */
static bool forbid_files(const SandboxFiles *files)
{
    long version = syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_VERSION_FLAG);
    if (version < 1)
        return false;
    int rights = version < 3 ? RIGHTS_AT_FIRST + (int)version - 1 : version < 5 ? RIGHTS_AT_LAST - 1 : RIGHTS_AT_LAST;
    LandlockRules rules = {.files = (UINT64_C(1) << rights) - 1, .network = 3, .scoped = 3};
    size_t size = version < VERSION_NETWORK  ? offsetof(LandlockRules, network)
                  : version < VERSION_SCOPES ? offsetof(LandlockRules, scoped)
                                             : sizeof rules;
    if (!files->read)
        rules.files &= ~(uint64_t)TO_READ;
    int fd = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &rules, size, 0);
    bool ok = fd >= 0 && allow_files(fd, files, rules.files) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              syscall(NR_LANDLOCK_RESTRICT_SELF, fd, 0) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

bool sandbox_confine(Sandbox mode)
{
    if (mode == SANDBOX_OFF || is_sanitized())
        return false;
    bool ok = filter_calls(CALLS_CONFINED);
    if (!ok)
        note("no sandbox: this kernel takes no seccomp filter");
    return ok;
}

bool sandbox_enclose(Sandbox mode, const SandboxFiles *files)
{
    if (mode == SANDBOX_OFF || is_sanitized())
        return false;
    bool landlock = forbid_files(files), calls = filter_calls(files->n_write > 0 ? CALLS_CONFINED : CALLS_READING);
    if (!landlock)
        note("sandbox: this kernel has no Landlock; files stay open%s", calls && files->n_write == 0 ? " for reading" : "");
    if (!calls)
        note("sandbox: this kernel takes no seccomp filter%s", landlock ? "; Landlock keeps files shut" : "");
    return landlock && calls;
}

bool sandbox_seal(Sandbox mode)
{
    if (mode == SANDBOX_OFF || is_sanitized())
        return false;
    bool files = forbid_files(&(SandboxFiles){.read = &(const char *){NULL}}), calls = filter_calls(CALLS_SEALED);
    if (!files)
        note("sandbox: this kernel has no Landlock%s", calls ? "; seccomp keeps files shut" : "");
    if (!calls)
        note("sandbox: this kernel takes no seccomp filter%s", files ? "; Landlock keeps files shut" : "");
    return files && calls;
}
