/* Owns the text of errors; see ARCHITECTURE.md, "Errors and ownership". */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *ew_status_name(enum ew_status status) {
    static const char *const names[] = {
        [EW_OK] = "ok",
        [EW_ERR_ARGUMENT] = "argument",
        [EW_ERR_IO] = "io",
        [EW_ERR_FORMAT] = "format",
        [EW_ERR_UNSUPPORTED] = "unsupported",
        [EW_ERR_SHAPE] = "shape",
        [EW_ERR_MEMORY] = "memory",
        [EW_ERR_LIMIT] = "limit",
        [EW_ERR_NOT_FOUND] = "not_found",
        [EW_ERR_PERMISSION] = "permission",
        [EW_ERR_TIMEOUT] = "timeout",
        [EW_ERR_CANCELLED] = "cancelled",
        [EW_ERR_INTERNAL] = "internal",
    };
    if ((size_t)status >= sizeof names / sizeof *names || !names[status]) return "unknown";
    return names[status];
}

__attribute__((format(printf, 2, 0))) static void format_message(char message[EW_ERROR_MESSAGE_SIZE],
                                                                 const char *format, va_list args) {
    if (vsnprintf(message, EW_ERROR_MESSAGE_SIZE, format, args) < 0) message[0] = 0;
}

/* Cuts what does not fit. */
static void append(char message[EW_ERROR_MESSAGE_SIZE], const char *text) {
    size_t used = strnlen(message, EW_ERROR_MESSAGE_SIZE - 1);
    size_t n = strnlen(text, EW_ERROR_MESSAGE_SIZE - 1 - used);
    memcpy(message + used, text, n);
    message[used + n] = 0;
}

enum ew_status ew_error_set(struct ew_error *err, enum ew_status status, const char *format, ...) {
    if (!err) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    format_message(err->message, format, args);
    va_end(args);
    return status;
}

enum ew_status ew_error_prefix(struct ew_error *err, enum ew_status status, const char *format, ...) {
    if (!err) return status;
    char old[EW_ERROR_MESSAGE_SIZE];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    format_message(err->message, format, args);
    va_end(args);
    append(err->message, ": ");
    append(err->message, old);
    return err->status;
}

enum ew_status ew_error_errno(struct ew_error *err, enum ew_status status, int errno_value, const char *format, ...) {
    if (!err) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    format_message(err->message, format, args);
    va_end(args);
    append(err->message, ": ");
    append(err->message, strerror(errno_value));
    return status;
}
