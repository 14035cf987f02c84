"""The RuntimeDefault seccomp profile, as data: what an ordinary program may ask of the kernel. Pure.

Everything that is not listed fails with EPERM, except clone3, which fails with ENOSYS so that C
libraries fall back to clone (whose flags a filter can see). A capability that a container has been
given opens the calls that belong to it. Names that a machine's kernel or libseccomp does not know are
ignored by both OCI runtimes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from roost.api.values import Object

_EPERM, _ENOSYS = 1, 38
#: Every CLONE_NEW* flag: clone may not make namespaces.
_NAMESPACE_FLAGS = 0x7E020000
_VSOCK_FAMILY = 40
#: personality values: Linux, 32 bit, UNAME26, both, "tell me".
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

_FILES = """
access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat
faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32
fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64
fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64
getxattr getxattrat ioctl lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr
_llseek lremovexattr lseek lsetxattr lstat lstat64 memfd_create memfd_secret mkdir mkdirat mknod
mknodat mseal name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2
pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat
rename renameat renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs
statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink
unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev fanotify_mark
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
"""
_PROCESSES = """
alarm capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid
geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpgid getpgrp getpid getppid
getpriority getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid
getuid32 kill landlock_add_rule landlock_create_ruleset landlock_restrict_self pause pidfd_open
pidfd_send_signal prctl prlimit64 process_mrelease process_vm_readv process_vm_writev ptrace
restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity
sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp set_robust_list get_robust_list set_thread_area
get_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 sigaltstack signalfd signalfd4
sigprocmask sigreturn tgkill tkill ugetrlimit vfork wait4 waitid waitpid ioprio_get ioprio_set
uname sysinfo getrandom riscv_hwprobe
"""
_MEMORY = """
brk cachestat madvise map_shadow_stack membarrier mincore mlock mlock2 mlockall mmap mmap2
mprotect mremap msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
remap_file_pages uretprobe
"""
_TIME = """
adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
clock_gettime64 clock_nanosleep clock_nanosleep_time64 gettimeofday nanosleep time timer_create
timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times
"""
_WAITING = """
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake
io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect
poll ppoll ppoll_time64 pselect6 pselect6_time64 select
"""
_TALKING = """
accept accept4 bind connect getpeername getsockname getsockopt ipc listen mq_getsetattr mq_notify
mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl
msgget msgrcv msgsnd recv recvfrom recvmmsg recvmmsg_time64 recvmsg semctl semget semop semtimedop
semtimedop_time64 send sendmmsg sendmsg sendto setsockopt shmat shmctl shmdt shmget shutdown
socketcall socketpair
"""
_BY_ARCHITECTURE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "amd64": (
        ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
        "arch_prctl modify_ldt",
    ),
    "arm64": (
        ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
        "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
    ),
    "ppc64le": (("SCMP_ARCH_PPC64LE",), "swapcontext sync_file_range2"),
    "riscv64": (("SCMP_ARCH_RISCV64",), "riscv_flush_icache"),
}
_BY_CAPABILITY: Mapping[str, str] = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_ADMIN": (
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie "
        "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree "
        "perf_event_open quotactl quotactl_fd setdomainname sethostname setns statmount syslog umount "
        "umount2 unshare"
    ),
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}


def _rule(names: str, *, action: str = "SCMP_ACT_ALLOW", **more: object) -> Object:
    return {"names": sorted(names.split()), "action": action, **more}


def _argument(index: int, operation: str, value: int, second: int | None = None) -> list[Object]:
    argument: Object = {"index": index, "value": value, "op": operation}
    return [argument if second is None else {**argument, "valueTwo": second}]


def default_profile(architecture: str, capabilities: Collection[str]) -> Object | None:
    """Return the profile for a machine ("amd64") and a container's capabilities.

    None if there is no profile for that architecture.
    """
    if architecture not in _BY_ARCHITECTURE:
        return None
    scmp, own_calls = _BY_ARCHITECTURE[architecture]
    groups = (_FILES, _PROCESSES, _MEMORY, _TIME, _WAITING, _TALKING, own_calls)
    rules = [
        _rule(" ".join(groups)),
        _rule("socket", args=_argument(0, "SCMP_CMP_NE", _VSOCK_FAMILY)),
        *(
            _rule("personality", args=_argument(0, "SCMP_CMP_EQ", value))
            for value in _PERSONALITIES
        ),
        *(
            _rule(calls)
            for capability, calls in _BY_CAPABILITY.items()
            if capability in capabilities
        ),
    ]
    if "CAP_SYS_ADMIN" not in capabilities:
        masked = _argument(0, "SCMP_CMP_MASKED_EQ", _NAMESPACE_FLAGS, 0)
        rules.append(_rule("clone", args=masked))
        rules.append(_rule("clone3", action="SCMP_ACT_ERRNO", errnoRet=_ENOSYS))
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": list(scmp),
        "syscalls": rules,
    }
