/* Status codes and error messages of the Edgewise library.
 *
 * Every fallible function returns `enum ew_status`; its last parameter, `struct ew_error *err`, may be NULL and
 * otherwise receives a message that names the object, the value and the rule. On failure out-parameters stay unset
 * and the caller keeps what it passed. The library never exits, aborts or prints. */
#ifndef EDGEWISE_STATUS_H
#define EDGEWISE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum ew_status {
    EW_OK = 0,
    EW_ERR_ARGUMENT,    /* the caller passed a value outside the documented range */
    EW_ERR_IO,          /* the operating system refused to open, read, write or map */
    EW_ERR_FORMAT,      /* bytes do not follow their format */
    EW_ERR_UNSUPPORTED, /* well-formed, but not something this build handles */
    EW_ERR_SHAPE,       /* tensor dimensions do not fit together */
    EW_ERR_MEMORY,      /* an allocation failed or would not fit */
    EW_ERR_LIMIT,       /* a documented limit was reached, e.g. the context is full */
    EW_ERR_NOT_FOUND,   /* a file, key, meter or model is not there */
    EW_ERR_PERMISSION,  /* the operating system wants more rights */
    EW_ERR_TIMEOUT,     /* something took longer than allowed */
    EW_ERR_CANCELLED,   /* the user or a signal stopped it */
    EW_ERR_INTERNAL     /* a promise inside Edgewise was broken */
};

enum { EW_ERROR_MESSAGE_SIZE = 512 };

struct ew_error {
    enum ew_status status;
    char message[EW_ERROR_MESSAGE_SIZE]; /* NUL-terminated UTF-8, no trailing newline; empty after success */
};

/* A short fixed word for a status, e.g. "format". Never NULL. */
const char *ew_status_name(enum ew_status status);

#ifdef __cplusplus
}
#endif

#endif
