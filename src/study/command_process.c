/* Owns starting a program as a shell would, passing signals on, and reading its phases. Knows no meter: command_run.c.
 * The trials of a study, whose streams belong to a protocol, are in trial_process.c. */
#include "study/command_process.h"
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
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a handler tells the loop. Small enough for an atomic write to a pipe. */
struct note {
    int64_t time_ns;
    int number;
    bool from_process; /* sent by kill(2): a terminal's signal reaches the command by itself */
};

/* Handlers know nothing but globals. */
static int note_pipe[2] = {-1, -1};
static volatile sig_atomic_t first_interrupt;

static const int caught[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
enum { CAUGHT = sizeof caught / sizeof *caught, MOST_NOTES = 64 };
static struct sigaction before[CAUGHT];

static bool ends_a_program(int number) {
    return number == SIGINT || number == SIGQUIT || number == SIGTERM || number == SIGHUP;
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    int failure = errno;
    struct note note = {.time_ns = ew_clock_now_ns(),
                        .number = number,
                        .from_process =
                            info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL};
    if (ends_a_program(number) && !first_interrupt) first_interrupt = number;
    ssize_t ignored = write(note_pipe[1], &note, sizeof note);
    (void)ignored;
    errno = failure;
}

enum ew_status ew_command_signals_open(struct ew_error *err) {
    if (pipe2(note_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return ew_error_errno(err, EW_ERR_IO, errno, "signals: cannot make a pipe");
    first_interrupt = 0;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < CAUGHT; i++) {
        sigaction(caught[i], NULL, &before[i]);
        /* What was ignored stays so, here and in the command: nohup, and jobs in the background. */
        bool ignored = before[i].sa_handler == SIG_IGN && ends_a_program(caught[i]);
        if (!ignored) sigaction(caught[i], &action, NULL);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return EW_OK;
}

void ew_command_signals_close(void) {
    if (note_pipe[0] < 0) return;
    for (int i = 0; i < CAUGHT; i++) sigaction(caught[i], &before[i], NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    for (int i = 0; i < 2; i++) {
        close(note_pipe[i]);
        note_pipe[i] = -1;
    }
}

int ew_command_interrupted(void) { return first_interrupt; }

static size_t read_notes(struct note notes[MOST_NOTES]) {
    ssize_t got = read(note_pipe[0], notes, MOST_NOTES * sizeof *notes);
    return got > 0 ? (size_t)got / sizeof *notes : 0;
}

bool ew_command_wait_until(int64_t time_ns) {
    struct note notes[MOST_NOTES];
    while (!first_interrupt) {
        int64_t left_ms = (time_ns - ew_clock_now_ns()) / 1000000;
        if (left_ms < 0) return true;
        struct pollfd fd = {.fd = note_pipe[0], .events = POLLIN};
        poll(&fd, 1, left_ms < 1000 ? (int)left_ms + 1 : 1000);
        read_notes(notes);
        while (waitpid(-1, NULL, WNOHANG) > 0) continue; /* orphans of a command before */
        if (ew_clock_now_ns() >= time_ns) return true;
    }
    return false;
}

/* ---- one command ---- */

struct run {
    pid_t pid;
    int phase_fd; /* -1 = closed */
    bool ended;
    struct ew_command_end *end;
};

static void close_fd(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* A number that a shell can redirect to (`>&9`: some know one digit only) and that is free here. */
static int free_number(void) {
    for (int fd = 9; fd > 2; fd--)
        if (fcntl(fd, F_GETFD) < 0) return fd;
    return -1;
}

/* Between fork and exec: only async-signal-safe calls. Handlers end with exec; what is ignored stays ignored. */
__attribute__((noreturn)) static void become_command(const char *const *argv, char **environment, int phase_write,
                                                     int number, int report) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (number >= 0)
        dup2(phase_write, number);
    else
        fcntl(phase_write, F_SETFD, 0);
    execvpe(argv[0], (char *const *)argv, environment);
    int failure = errno;
    ssize_t ignored = write(report, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

extern char **environ;

/* This environment and two more; free() of the array and its first two. */
static char **make_environment(int phase_number) {
    static const char *const ours[] = {"EDGEWISE_METER_PID=", "EDGEWISE_PHASE_FD="};
    const int values[] = {(int)getpid(), phase_number};
    size_t n = 0, used = 2;
    while (environ[n]) n++;
    char **out = calloc(n + 3, sizeof *out);
    for (int i = 0; out && i < 2; i++)
        if (asprintf(&out[i], "%s%d", ours[i], values[i]) < 0) out[i] = NULL;
    if (!out || !out[0] || !out[1]) {
        if (out) free(out[0]), free(out[1]);
        free(out);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        bool replaced = false;
        for (int k = 0; k < 2; k++) replaced |= strncmp(environ[i], ours[k], strlen(ours[k])) == 0;
        if (!replaced) out[used++] = environ[i];
    }
    return out;
}

static enum ew_status not_started(const char *name, int failure, struct ew_error *err) {
    enum ew_status kind = failure == ENOENT || failure == ENOTDIR    ? EW_ERR_NOT_FOUND
                          : failure == EACCES || failure == EPERM    ? EW_ERR_PERMISSION
                          : failure == ENOEXEC || failure == ELIBBAD ? EW_ERR_FORMAT
                          : failure == ENOMEM || failure == EAGAIN   ? EW_ERR_MEMORY
                                                                     : EW_ERR_IO;
    if (failure == ENOENT && !strchr(name, '/')) {
        ew_error_set(err, kind, "%s: command not found: no folder of $PATH has it", name);
        return kind;
    }
    return ew_error_errno(err, kind, failure, "%s: cannot be started", name);
}

static int64_t own_peak_bytes(void) {
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    return (int64_t)own.ru_maxrss * 1024;
}

static enum ew_status start(struct run *r, const char *const *argv, struct ew_error *err) {
    int phase[2] = {-1, -1}, report[2] = {-1, -1};
    enum ew_status status = EW_OK;
    bool piped = pipe2(phase, O_CLOEXEC) == 0 && pipe2(report, O_CLOEXEC) == 0;
    int number = free_number();
    char **environment = make_environment(number >= 0 ? number : phase[1]);
    if (!piped || !environment) {
        status = piped ? ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", argv[0])
                       : ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot make pipes", argv[0]);
        goto done;
    }
    r->end->own_peak_bytes = own_peak_bytes();
    r->end->begin_ns = ew_clock_now_ns();
    r->pid = fork();
    if (r->pid == 0) become_command(argv, environment, phase[1], number, report[1]);
    if (r->pid < 0) {
        status = not_started(argv[0], errno, err);
        goto done;
    }
    close_fd(&report[1]);
    int failure = 0;
    ssize_t got;
    do got = read(report[0], &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof failure) {
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) continue;
        status = not_started(argv[0], failure, err);
        goto done;
    }
    fcntl(phase[0], F_SETFL, O_NONBLOCK);
    r->phase_fd = phase[0];
    phase[0] = -1;
done:
    for (int i = 0; i < 2; i++) {
        close_fd(&phase[i]);
        close_fd(&report[i]);
    }
    if (environment) free(environment[0]), free(environment[1]);
    free(environment);
    return status;
}

static enum ew_status read_phases(struct run *r, struct ew_error *err) {
    char bytes[4096];
    while (r->phase_fd >= 0) {
        ssize_t got = read(r->phase_fd, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return EW_OK;
        if (got <= 0) {
            close_fd(&r->phase_fd);
            return EW_OK;
        }
        enum ew_status status = ew_command_phases_feed(&r->end->phases, bytes, (size_t)got, ew_clock_now_ns(), err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* Everything that has ended below this process: the command, and orphans that it left. */
static void reap(struct run *r) {
    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) return;
        struct ew_command_end *end = r->end;
        if (pid != r->pid) {
            if (usage.ru_maxrss > end->usage.ru_maxrss) end->usage.ru_maxrss = usage.ru_maxrss;
            continue;
        }
        long before_it = end->usage.ru_maxrss;
        end->end_ns = ew_clock_now_ns();
        end->wait_status = status;
        end->usage = usage;
        if (before_it > usage.ru_maxrss) end->usage.ru_maxrss = before_it;
        r->ended = true;
    }
}

static enum ew_status take_notes(struct run *r, struct ew_error *err) {
    struct note notes[MOST_NOTES];
    enum ew_status status = EW_OK;
    size_t n = read_notes(notes);
    for (size_t i = 0; i < n && status == EW_OK; i++) {
        int number = notes[i].number;
        if (number == SIGUSR1)
            status = ew_command_phases_mark(&r->end->phases, r->end->begin_ns, notes[i].time_ns, err);
        else if (number != SIGCHLD && notes[i].from_process && !r->ended)
            kill(r->pid, number);
    }
    return status;
}

static struct timeval time_since(struct timeval now, struct timeval then) {
    struct timeval d;
    timersub(&now, &then, &d);
    return d;
}

enum ew_status ew_command_execute(const char *const *argv, struct ew_command_end *out, struct ew_error *err) {
    struct ew_command_end end = {0};
    struct run r = {.phase_fd = -1, .end = &end};
    struct rusage earlier, later;
    getrusage(RUSAGE_CHILDREN, &earlier);
    enum ew_status status = start(&r, argv, err);
    if (status != EW_OK) return status;
    while (!r.ended) {
        struct pollfd fds[2] = {{.fd = note_pipe[0], .events = POLLIN}, {.fd = r.phase_fd, .events = POLLIN}};
        poll(fds, 2, 1000);
        enum ew_status one = fds[1].revents ? read_phases(&r, err) : EW_OK;
        if (status == EW_OK) status = one;
        one = take_notes(&r, err);
        if (status == EW_OK) status = one;
        reap(&r);
    }
    enum ew_status last = read_phases(&r, err);
    if (status == EW_OK) status = last;
    close_fd(&r.phase_fd);
    getrusage(RUSAGE_CHILDREN, &later);
    end.usage.ru_utime = time_since(later.ru_utime, earlier.ru_utime);
    end.usage.ru_stime = time_since(later.ru_stime, earlier.ru_stime);
    end.usage.ru_minflt = later.ru_minflt - earlier.ru_minflt;
    end.usage.ru_majflt = later.ru_majflt - earlier.ru_majflt;
    ew_command_phases_end(&end.phases, end.end_ns);
    if (status != EW_OK) {
        ew_command_phases_close(&end.phases);
        return status;
    }
    *out = end;
    return EW_OK;
}
