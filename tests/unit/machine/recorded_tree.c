/* Owns unpacking recorded machines into folders below the system's folder for temporary files. */
#include "recorded_tree.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534 };
static const char prefix[] = P_tmpdir "/ew_machine_";

static void make_root(char root[TREE_ROOT_BYTES]) {
    snprintf(root, TREE_ROOT_BYTES, "%sXXXXXX", prefix);
    assert_non_null(mkdtemp(root));
    assert_int_equal(chmod(root, 0755), 0);
}

static void make_folders(char *path) {
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        mkdir(path, 0755);
        *p = '/';
    }
}

static FILE *open_new(const char *root, const char *path) {
    char full[8192];
    snprintf(full, sizeof full, "%s%s", root, path);
    make_folders(full);
    unlink(full); /* a file that nobody may read may be replaced all the same */
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    return f;
}

void tree_put(const char *root, const char *path, const char *text) {
    FILE *f = open_new(root, path);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void put_line(const char *root, char mark, char *path) {
    char *value = strchr(path, ' ');
    assert_non_null(value);
    *value++ = 0;
    char full[8192];
    snprintf(full, sizeof full, "%s%s", root, path);
    if (mark == '>') {
        make_folders(full);
        assert_int_equal(symlink(value, full), 0);
        return;
    }
    tree_put(root, path, value);
    if (mark == '!') assert_int_equal(chmod(full, 0), 0);
}

void tree_unpack(const char *name, char root[TREE_ROOT_BYTES]) {
    const char *source = getenv("EW_SOURCE_DIR");
    assert_non_null(source);
    char path[1024], line[4096];
    snprintf(path, sizeof path, "%s/tests/fixtures/machines/%s.tree", source, name);
    FILE *in = fopen(path, "r"), *out = NULL;
    assert_non_null(in);
    make_root(root);
    while (fgets(line, sizeof line, in)) {
        bool starts = strchr("=!>", line[0]) != NULL;
        if (!starts && out) fputs(line, out);
        if (!starts) continue;
        if (out) fclose(out);
        out = NULL;
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "== ", 3) == 0)
            out = open_new(root, line + 3);
        else
            put_line(root, line[0], line + 2);
    }
    if (out) fclose(out);
    fclose(in);
}

bool tree_untar(const char *archive, const char *inside, char root[TREE_ROOT_BYTES]) {
    const char *shared = getenv("EW_SHARED_DIR");
    char path[1024], base[TREE_ROOT_BYTES - 80];
    snprintf(path, sizeof path, "%s/data/devices/%s", shared ? shared : "", archive);
    if (!shared || access(path, R_OK) != 0) return false;
    make_root(root);
    pid_t pid = fork();
    if (pid == 0) {
        /* Without the files that nothing reads: they are most of the thousands. */
        execlp("tar", "tar", "-xf", path, "-C", root, "--no-same-owner", "--exclude=*_map", "--exclude=*_siblings",
               "--exclude=coherency*", "--exclude=number_of_sets", "--exclude=ways_of*", "--exclude=physical_line*",
               "--exclude=power", "--exclude=cpuidle", "--exclude=stats", "--exclude=microcode", "--exclude=node[0-9]*",
               "--exclude=memory[0-9]*", "--exclude=pci*", (char *)NULL);
        _exit(127);
    }
    int status = 1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        tree_remove(root);
        return false;
    }
    snprintf(base, sizeof base, "%s", root);
    snprintf(root, TREE_ROOT_BYTES, "%s%s%.70s", base, inside[0] ? "/" : "", inside);
    return true;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Captures keep read-only folders, which have to be opened before they can be emptied. */
static int open_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)ftw;
    if (type == FTW_D || type == FTW_DNR) chmod(path, 0700);
    return 0;
}

void tree_remove(const char *root) {
    char top[TREE_ROOT_BYTES];
    assert_int_equal(strncmp(root, prefix, sizeof prefix - 1), 0);
    snprintf(top, sizeof top, "%.*s", (int)(sizeof prefix - 1 + 6), root);
    nftw(top, open_one, 16, FTW_PHYS);
    assert_int_equal(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

bool tree_drop_rights(void) { return geteuid() != 0 || seteuid(NOBODY) == 0; }

void tree_regain_rights(void) {
    if (getuid() == 0) assert_int_equal(seteuid(0), 0);
}
