#!/bin/sh
# Installs the packages that Edgewise needs on Debian, Ubuntu and Raspberry Pi OS, and says what each is for.
#   tools/install-deps.sh [build|check|arm|bench|train]…      (default: build)
# Does nothing, quickly, when all is there. EDGEWISE_NO_DEPS=1 skips it: then the packages are yours to provide.
set -eu

# set  package  why ("?" before the why: worth having, gone on without)
packages() {
    cat <<'END'
build gcc                      compiler
build libc6-dev                C library headers
build meson                    build system
build ninja-build              build system
build pkg-config               finds libraries
build libcmocka-dev            unit tests
build libpcre2-dev             tokenizer patterns
build libjansson-dev           JSON
build libcurl4-openssl-dev     asks plugs with a meter over HTTP
build libsqlite3-dev           the store of measurements
build libyaml-dev              study files, with the line of every value
build libedit-dev              editing and history of the lines of a chat
build libzstd-dev              compressed samples in the store
build libxxhash-dev            checksums of model files
check g++                      checks that the public headers compile as C++
check python3                  the checks of style, and tests of the report
check sqlite3                  looks into the store from outside
check clang                    the second compiler
check libclang-rt-14-dev       ? sanitizers and fuzzing with clang
check chromium                 ? opens the report as a reader would
check qemu-user                ? starts the program on the oldest CPU it promises
arm   gcc-aarch64-linux-gnu    cross compiler
arm   libc6-dev-arm64-cross    C library for it
arm   qemu-user                runs the result here
arm   libcmocka-dev:arm64      unit tests
arm   libpcre2-dev:arm64       as in the build set
bench llvm-19                  llvm-mca, by which bench/arm_cycles.py estimates ARM loops
train libopenblas-dev          matrix products of models/train
END
}

say() { echo "edgewise: $*"; }
fail() {
    say "$@" >&2
    exit 1
}

# The packages of the chosen sets, one per line: name, need (+ or ?), why.
wanted() {
    packages | while read -r set name why; do
        case " $sets " in *" $set "*) ;; *) continue ;; esac
        case $why in "? "*) echo "$name ? ${why#\? }" ;; *) echo "$name + $why" ;; esac
    done
}

# Lines of `wanted` whose package is not installed. One dpkg-query for all.
missing() {
    wanted >"$work/wanted"
    # shellcheck disable=SC2046 # package names have no spaces
    dpkg-query -W -f '${db:Status-Status} ${Package}\n${db:Status-Status} ${Package}:${Architecture}\n' \
        $(cut -d' ' -f1 "$work/wanted") 2>/dev/null | sed -n 's/^installed //p' >"$work/installed" || true
    while read -r name need why; do
        grep -qxF "$name" "$work/installed" || echo "$name $need $why"
    done <"$work/wanted"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

known_to_apt() { apt-cache show "$1" >/dev/null 2>&1; }

updated=no
update_lists() {
    [ $updated = no ] || return 1
    updated=yes
    as_root apt-get -q update
}

# The cross set needs the other architecture's libraries beside our own.
add_architecture() {
    case $1 in *:arm64) ;; *) return 0 ;; esac
    [ "$(dpkg --print-architecture)" != arm64 ] || return 0
    dpkg --print-foreign-architectures | grep -qx arm64 && return 0
    say "adding the architecture arm64 (dpkg --add-architecture arm64)"
    as_root dpkg --add-architecture arm64
    updated=no
    update_lists
}

install_packages() { # names…
    as_root apt-get install -q -y --no-install-recommends "$@" || {
        update_lists || return 1
        as_root apt-get install -q -y --no-install-recommends "$@"
    }
}

check_can_install() {
    [ -r /etc/debian_version ] && command -v apt-get >/dev/null && return 0
    say "this is not Debian, Ubuntu or Raspberry Pi OS. Edgewise needs, by their Debian names:" >&2
    wanted | while read -r name _ why; do printf '  %-24s %s\n' "$name" "$why" >&2; done
    fail "install these by other means, then: make EDGEWISE_NO_DEPS=1"
}

check_may_install() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null && return 0
    fail "missing packages, and neither root nor sudo here. As root: apt-get install $(cut -d' ' -f1 "$work/missing" | tr '\n' ' ')"
}

install_missing() {
    say "installing:"
    while read -r name need why; do
        printf '  %-24s %s%s\n' "$name" "$why" "$([ "$need" = '?' ] && echo ' (optional)')"
    done <"$work/missing"
    check_may_install

    required='' optional=''
    while read -r name need _ <&3; do
        add_architecture "$name"
        if ! known_to_apt "$name"; then update_lists || true; fi
        if [ "$need" = + ]; then
            required="$required $name"
        elif known_to_apt "$name"; then
            optional="$optional $name"
        else
            say "$name is not in this system's package lists: going on without it"
        fi
    done 3<"$work/missing"
    # shellcheck disable=SC2086 # lists of names
    if [ -n "$required" ]; then
        install_packages $required || fail "could not install:$required"
    fi
    for name in $optional; do
        install_packages "$name" || say "could not install $name: going on without it"
    done
}

sets=${*:-build}
[ "${EDGEWISE_NO_DEPS:-}" != 1 ] || exit 0
for set in $sets; do
    case $set in build | check | arm | bench | train) ;; *) fail "install-deps.sh: \`$set' is not a set (build, check, arm, bench, train)" ;; esac
done
check_can_install

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
missing >"$work/missing"
# Optional packages that could not be had are not asked for again, until the list of them changes.
stamp=$(dirname "$0")/../.cache/deps-without-$(echo "$sets" | tr ' ' '-')
if [ ! -s "$work/missing" ] || cmp -s "$work/missing" "$stamp"; then exit 0; fi
install_missing
missing >"$work/missing"
if grep -q '^[^ ]* +' "$work/missing"; then
    fail "still missing: $(grep '^[^ ]* +' "$work/missing" | cut -d' ' -f1 | tr '\n' ' ')"
fi
mkdir -p "$(dirname "$stamp")"
cp "$work/missing" "$stamp"
