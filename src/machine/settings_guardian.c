/* Owns the guardian: a process that outlives this one and then puts the settings back. It is an orphan in a session of
 * its own, so that neither Ctrl-C, nor a kill of the process group, nor anybody's wait reaches it, and it holds nothing
 * of this process but the machine's lock. What it puts back is what the journal says, not what it remembers. */
#include "base/error.h"
#include "machine/setting_change.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_range_of(unsigned first, unsigned last) {
    if (first > last) return;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, last, 0) == 0) return;
#endif
    long most = sysconf(_SC_OPEN_MAX);
    unsigned end = most > 0 && (unsigned long)most <= last ? (unsigned)most - 1 : last;
    for (unsigned fd = first; fd <= end && fd < 65536; fd++) close((int)fd);
}

/* Everything but these three: a pipe that the guardian held open would keep its reader waiting. */
static void close_others(const int keep[3]) {
    int k[3] = {keep[0], keep[1], keep[2]};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2 - i; j++)
            if (k[j] > k[j + 1]) {
                int swap = k[j];
                k[j] = k[j + 1];
                k[j + 1] = swap;
            }
    unsigned from = 0;
    for (int i = 0; i < 3; i++) {
        if (k[i] > 0) close_range_of(from, (unsigned)k[i] - 1);
        from = (unsigned)k[i] + 1;
    }
    close_range_of(from, ~0u);
}

static void open_null_streams(void) {
    int fd;
    do fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
}

__attribute__((noreturn)) static void guard(struct ew_settings_journal *journal, int life, int status, int lock) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    prctl(PR_SET_NAME, "edgewise-guard");
    signal(SIGCHLD, SIG_DFL);
    close_others((const int[3]){life, status, lock});
    open_null_streams();
    pid_t self = getpid();
    char byte;
    ssize_t got = write(status, &self, sizeof self);
    while (got > 0 && ((got = read(life, &byte, 1)) > 0 || (got < 0 && errno == EINTR))) got = 1;
    struct ew_settings_report report = {0};
    if (ew_settings_journal_read(journal, NULL) == EW_OK && journal->n > 0)
        ew_settings_journal_undo(journal, &report, NULL);
    _exit(0);
}

/* The child between the two is gone at once, so that the guardian has no parent here. */
static pid_t fork_twice(struct ew_settings_journal *journal, const int life[2], const int status[2], int lock) {
    pid_t middle = fork();
    if (middle == 0) {
        pid_t inner = fork();
        if (inner == 0) guard(journal, life[0], status[1], lock);
        _exit(inner < 0);
    }
    return middle;
}

static bool read_pid(int fd, pid_t *pid) {
    ssize_t got;
    do got = read(fd, pid, sizeof *pid);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof *pid;
}

enum ew_status ew_settings_guardian_start(struct ew_settings_guardian *guardian, struct ew_settings_journal *journal,
                                          int lock_fd, struct ew_error *err) {
    int life[2], status[2];
    if (pipe2(life, O_CLOEXEC) != 0) return ew_error_errno(err, EW_ERR_IO, errno, "guardian: cannot make a pipe");
    if (pipe2(status, O_CLOEXEC) != 0) {
        int failure = errno;
        close(life[0]);
        close(life[1]);
        return ew_error_errno(err, EW_ERR_IO, failure, "guardian: cannot make a pipe");
    }
    pid_t middle = fork_twice(journal, life, status, lock_fd);
    int failure = errno;
    close(life[0]);
    close(status[1]);
    while (middle > 0 && waitpid(middle, NULL, 0) < 0 && errno == EINTR) continue;
    *guardian = (struct ew_settings_guardian){.life_fd = life[1], .status_fd = status[0], .pid = -1};
    if (middle > 0 && read_pid(status[0], &guardian->pid)) return EW_OK;
    close(life[1]);
    close(status[0]);
    guardian->life_fd = guardian->status_fd = -1;
    return ew_error_errno(err, EW_ERR_IO, middle < 0 ? failure : EAGAIN,
                          "guardian: cannot start the process that puts settings back");
}

bool ew_settings_guardian_lives(const struct ew_settings_guardian *guardian) {
    struct pollfd p = {.fd = guardian->status_fd};
    return guardian->life_fd >= 0 && poll(&p, 1, 0) == 0;
}

void ew_settings_guardian_stop(struct ew_settings_guardian *guardian) {
    char byte;
    if (guardian->life_fd < 0) return;
    close(guardian->life_fd);
    while (read(guardian->status_fd, &byte, 1) != 0 && errno == EINTR) continue;
    close(guardian->status_fd);
    *guardian = (struct ew_settings_guardian){.life_fd = -1, .status_fd = -1, .pid = -1};
}
