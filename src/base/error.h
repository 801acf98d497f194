/* Errors inside the library: fill the caller's struct ew_error and return the status in one expression. */
#ifndef EW_BASE_ERROR_H
#define EW_BASE_ERROR_H

#include "edgewise/status.h"

/* Formats the message (object: value: rule) into err where err is not NULL; returns status, so that
 * `return ew_error_set(err, EW_ERR_FORMAT, …)` reads well. Long messages are cut, never overrun. */
__attribute__((format(printf, 3, 4))) enum ew_status ew_error_set(struct ew_error *err, enum ew_status status,
                                                                  const char *format, ...);

/* Puts "prefix: " before the message already in err. Returns err's status, or `status` when err is NULL. */
__attribute__((format(printf, 3, 4))) enum ew_status ew_error_prefix(struct ew_error *err, enum ew_status status,
                                                                     const char *format, ...);

/* Appends the text of an errno value to the message: "object: cannot open: No such file or directory". */
__attribute__((format(printf, 4, 5))) enum ew_status ew_error_errno(struct ew_error *err, enum ew_status status,
                                                                    int errno_value, const char *format, ...);

#endif
