/* Owns starting, feeding, reading and ending a trial's process. Knows nothing of the protocol: trial_collector.c. */
#include "study/trial_process.h"
#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 100, READ_BYTES = 65536, GRACE_MS = 5000 };

static void close_fd(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

struct pipes {
    int in[2], out[2], error[2];
    int exec[2]; /* carries errno of a failed exec; closes by itself on success */
};

static bool open_pipes(struct pipes *p) {
    int *all[] = {p->in, p->out, p->error, p->exec};
    for (int i = 0; i < 4; i++) all[i][0] = all[i][1] = -1;
    for (int i = 0; i < 4; i++)
        if (pipe2(all[i], O_CLOEXEC) != 0) return false;
    return true;
}

static void close_pipes(struct pipes *p) {
    int *all[] = {p->in, p->out, p->error, p->exec};
    for (int i = 0; i < 4; i++) {
        close_fd(&all[i][0]);
        close_fd(&all[i][1]);
    }
}

/* Tells the parent errno, and ends. */
__attribute__((noreturn)) static void fail_child(const struct pipes *p) {
    int failure = errno;
    ssize_t ignored = write(p->exec[1], &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

/* When memory ends, the kernel shall take the trial, whose end is a result, and not the study or somebody's browser.
 * Source: proc(5), oom_score_adj; raising one's own needs no rights. */
static void offer_to_kernel(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t ignored = write(fd, "1000", 4);
    (void)ignored;
    close(fd);
}

/* In the child, between fork and exec: only async-signal-safe calls. */
__attribute__((noreturn)) static void become_child(const char *const *argv, const struct pipes *p, pid_t parent,
                                                   const cpu_set_t *cpus) {
    setpgid(0, 0); /* the terminal's Ctrl-C is for the parent, which lets the trial finish */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); /* it died before prctl */
    offer_to_kernel();
    if (cpus && sched_setaffinity(0, sizeof *cpus, cpus) != 0) fail_child(p);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    static const int defaults[] = {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ, SIGCHLD, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) signal(defaults[i], SIG_DFL);
    dup2(p->in[0], 0);
    dup2(p->out[1], 1);
    dup2(p->error[1], 2);
    execvp(argv[0], (char *const *)argv);
    fail_child(p);
}

enum ew_status ew_trial_process_start(const char *const *argv, const char *input, size_t size, const cpu_set_t *cpus,
                                      struct ew_trial_process *out, struct ew_error *err) {
    struct pipes p;
    if (!open_pipes(&p)) {
        int failure = errno;
        close_pipes(&p);
        return ew_error_errno(err, EW_ERR_IO, failure, "%s: cannot make pipes", argv[0]);
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) become_child(argv, &p, parent, cpus);
    if (pid < 0) {
        int failure = errno;
        close_pipes(&p);
        return ew_error_errno(err, failure == ENOMEM ? EW_ERR_MEMORY : EW_ERR_IO, failure, "%s: cannot start", argv[0]);
    }
    setpgid(pid, pid); /* both sides do it, whoever comes first */
    close_fd(&p.exec[1]);
    int failure = 0;
    ssize_t got;
    do got = read(p.exec[0], &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof failure) {
        close_pipes(&p);
        waitpid(pid, NULL, 0);
        enum ew_status kind = failure == ENOENT ? EW_ERR_NOT_FOUND : failure == EACCES ? EW_ERR_PERMISSION : EW_ERR_IO;
        return ew_error_errno(err, kind, failure, "%s: cannot start", argv[0]);
    }
    *out = (struct ew_trial_process){
        .pid = pid, .in = p.in[1], .out = p.out[0], .error = p.error[0], .input = input, .input_left = size};
    p.in[1] = p.out[0] = p.error[0] = -1;
    close_pipes(&p);
    fcntl(out->in, F_SETFL, O_NONBLOCK);
    fcntl(out->out, F_SETFL, O_NONBLOCK);
    fcntl(out->error, F_SETFL, O_NONBLOCK);
    return EW_OK;
}

static void feed_stdin(struct ew_trial_process *p) {
    ssize_t n = p->input_left ? write(p->in, p->input, p->input_left) : 0;
    if (n > 0) {
        p->input += n;
        p->input_left -= (size_t)n;
    }
    bool gone = n < 0 && errno != EAGAIN && errno != EINTR; /* it does not want to read */
    if (p->input_left == 0 || gone) close_fd(&p->in);
}

/* Keeps the last EW_STDERR_TAIL bytes. */
static void gather_stderr(struct ew_trial_process *p) {
    char bytes[EW_STDERR_TAIL];
    ssize_t n = read(p->error, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close_fd(&p->error);
        return;
    }
    if (n < 0) return;
    size_t add = (size_t)n, keep = p->stderr_size;
    if (keep + add > EW_STDERR_TAIL) {
        keep = EW_STDERR_TAIL - add;
        memmove(p->stderr_tail, p->stderr_tail + p->stderr_size - keep, keep);
    }
    memcpy(p->stderr_tail + keep, bytes, add);
    p->stderr_size = keep + add;
    p->stderr_tail[p->stderr_size] = 0;
}

enum ew_status ew_trial_process_read(struct ew_trial_process *p, int timeout_ms, char *bytes, size_t capacity,
                                     size_t *n, bool *ended, struct ew_error *err) {
    *n = 0;
    *ended = p->out < 0;
    if (*ended) return EW_OK;
    struct pollfd fds[3] = {
        {.fd = p->out, .events = POLLIN}, {.fd = p->error, .events = POLLIN}, {.fd = p->in, .events = POLLOUT}};
    int ready = poll(fds, 3, timeout_ms);
    if (ready < 0 && errno != EINTR) return ew_error_errno(err, EW_ERR_IO, errno, "trial: cannot wait for events");
    if (ready <= 0) return EW_OK;
    if (fds[2].revents) feed_stdin(p);
    if (fds[1].revents) gather_stderr(p);
    if (!fds[0].revents) return EW_OK;
    ssize_t got = read(p->out, bytes, capacity);
    if (got > 0) *n = (size_t)got;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        close_fd(&p->out);
        *ended = true;
    }
    return EW_OK;
}

void ew_trial_process_kill(const struct ew_trial_process *p) {
    if (p->pid > 0) kill(-p->pid, SIGKILL);
}

bool ew_trial_process_wait(struct ew_trial_process *p, int timeout_ms, int *status, struct rusage *usage) {
    int64_t deadline = ew_clock_now_ns() + (int64_t)timeout_ms * 1000000;
    for (;;) {
        if (p->error >= 0) gather_stderr(p);
        pid_t got = wait4(p->pid, status, WNOHANG, usage);
        if (got == p->pid) {
            kill(-p->pid, SIGKILL); /* what it left behind in its group */
            for (int i = 0; i < 16 && p->error >= 0; i++) gather_stderr(p);
            p->pid = 0;
            return true;
        }
        if (ew_clock_now_ns() >= deadline) return false;
        usleep(1000);
    }
}

static enum ew_status read_to_end(struct ew_trial_process *p, const struct ew_process_follow *f, char *bytes,
                                  bool *timed_out, struct ew_error *err) {
    enum ew_status status = EW_OK;
    bool ended = false;
    while (status == EW_OK && !ended && !*timed_out) {
        size_t n = 0;
        status = ew_trial_process_read(p, TICK_MS, bytes, READ_BYTES, &n, &ended, err);
        if (status == EW_OK) status = f->take(f->context, bytes, n, err);
        if (status == EW_OK && f->stop && *f->stop) status = ew_error_set(err, EW_ERR_CANCELLED, "stopped");
        *timed_out = !ended && ew_clock_now_ns() > f->deadline_ns;
    }
    return status;
}

enum ew_status ew_trial_process_follow(struct ew_trial_process *p, const struct ew_process_follow *f,
                                       struct ew_process_end *out, struct ew_error *err) {
    char *bytes = malloc(READ_BYTES);
    if (!bytes) return ew_error_set(err, EW_ERR_MEMORY, "trial: out of memory");
    *out = (struct ew_process_end){0};
    enum ew_status status = read_to_end(p, f, bytes, &out->timed_out, err);
    free(bytes);
    if (status != EW_OK) return status;
    /* stdout is closed: it is about to end. One that stays is ended. */
    int64_t left_ms = (f->deadline_ns - ew_clock_now_ns()) / 1000000;
    int wait_ms = out->timed_out ? 0 : left_ms < GRACE_MS ? (int)left_ms : GRACE_MS;
    if (ew_trial_process_wait(p, wait_ms, &out->wait_status, &out->usage)) return EW_OK;
    out->timed_out = true;
    ew_trial_process_kill(p);
    if (ew_trial_process_wait(p, 60000, &out->wait_status, &out->usage)) return EW_OK;
    return ew_error_set(err, EW_ERR_TIMEOUT, "trial: process %d does not end on SIGKILL", (int)p->pid);
}

void ew_trial_process_close(struct ew_trial_process *p) {
    if (p->pid > 0) {
        ew_trial_process_kill(p);
        kill(p->pid, SIGKILL); /* should it have left its group */
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        p->pid = 0;
    }
    close_fd(&p->in);
    close_fd(&p->out);
    close_fd(&p->error);
}

void ew_trial_process_clean_stderr(struct ew_trial_process *p) {
    for (size_t i = 0; i < p->stderr_size; i++) {
        unsigned char c = (unsigned char)p->stderr_tail[i];
        if ((c < 32 && c != '\n' && c != '\t') || c >= 127) p->stderr_tail[i] = '?';
    }
    p->stderr_tail[p->stderr_size] = 0;
}
