/* Seccomp through libseccomp, Landlock by its three system calls; see sandbox.h. */
#include "base/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* Whatever takes a path; and signals for others (abort's own is tgkill). */
static const char *const sealed[] = {
    "open",     "openat",    "openat2",     "creat",           "truncate",     "unlink",    "unlinkat",  "rename",
    "renameat", "renameat2", "link",        "linkat",          "symlink",      "symlinkat", "mknod",     "mknodat",
    "mkdir",    "mkdirat",   "rmdir",       "chmod",           "fchmodat",     "chown",     "lchown",    "fchownat",
    "setxattr", "lsetxattr", "removexattr", "lremovexattr",    "utime",        "utimes",    "utimensat", "futimesat",
    "chdir",    "kill",      "tkill",       "rt_sigqueueinfo", "memfd_create", "swapon",    "swapoff",   "acct",
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

/* Every thread of the process takes the filter. */
static bool filter_calls(bool seal)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = filter && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
              refuse(filter, confined, sizeof confined / sizeof *confined) && refuse_processes(filter) &&
              (!seal || refuse(filter, sealed, sizeof sealed / sizeof *sealed)) && seccomp_load(filter) == 0;
    if (filter)
        seccomp_release(filter);
    return ok;
}

/* As linux/landlock.h has it since Linux 6.12 (version 6); older kernels know less of it. */
typedef struct LandlockRules {
    uint64_t files, network, scoped;
} LandlockRules;

enum { NR_LANDLOCK_CREATE_RULESET = 444, NR_LANDLOCK_RESTRICT_SELF = 446 }; /* on every processor */
enum { LANDLOCK_VERSION_FLAG = 1, RIGHTS_AT_FIRST = 13, RIGHTS_AT_LAST = 16, VERSION_NETWORK = 4, VERSION_SCOPES = 6 };

/* Handles every right that the kernel's version knows and allows nothing. */
static bool forbid_files(void)
{
    long version = syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_VERSION_FLAG);
    if (version < 1)
        return false;
    int rights = version < 3 ? RIGHTS_AT_FIRST + (int)version - 1 : version < 5 ? RIGHTS_AT_LAST - 1 : RIGHTS_AT_LAST;
    LandlockRules rules = {.files = (UINT64_C(1) << rights) - 1, .network = 3, .scoped = 3};
    size_t size = version < VERSION_NETWORK  ? offsetof(LandlockRules, network)
                  : version < VERSION_SCOPES ? offsetof(LandlockRules, scoped)
                                             : sizeof rules;
    int fd = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &rules, size, 0);
    bool ok = fd >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(NR_LANDLOCK_RESTRICT_SELF, fd, 0) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

bool sandbox_confine(Sandbox mode)
{
    if (mode == SANDBOX_OFF || is_sanitized())
        return false;
    bool ok = filter_calls(false);
    if (!ok)
        note("no sandbox: this kernel takes no seccomp filter");
    return ok;
}

bool sandbox_seal(Sandbox mode)
{
    if (mode == SANDBOX_OFF || is_sanitized())
        return false;
    bool files = forbid_files(), calls = filter_calls(true);
    if (!files)
        note("sandbox: this kernel has no Landlock%s", calls ? "; seccomp keeps files shut" : "");
    if (!calls)
        note("sandbox: this kernel takes no seccomp filter%s", files ? "; Landlock keeps files shut" : "");
    return files && calls;
}
