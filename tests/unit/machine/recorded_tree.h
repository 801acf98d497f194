/* Recorded machines (tests/fixtures/machines) and captures, unpacked into folders that tests hand on as roots. */
#ifndef EW_TESTS_RECORDED_TREE_H
#define EW_TESTS_RECORDED_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum { TREE_ROOT_BYTES = 256 };

/* Unpacks tests/fixtures/machines/NAME.tree into a new folder. Fails the test when it cannot. */
void tree_unpack(const char *name, char root[TREE_ROOT_BYTES]);

/* Unpacks an archive of the shared captures (".tar.gz", ".tar.bz2") and names the folder `inside` it. false = the
 * captures or tar are not here; the caller skips. */
bool tree_untar(const char *archive, const char *inside, char root[TREE_ROOT_BYTES]);

/* Writes root/path, with its folders. */
void tree_put(const char *root, const char *path, const char *text);

/* Removes what tree_unpack and tree_untar made, also above `inside`. */
void tree_remove(const char *root);

/* Runs the following file accesses as a user without rights, where the test is run by root. false = cannot. */
bool tree_drop_rights(void);
void tree_regain_rights(void);

#endif
