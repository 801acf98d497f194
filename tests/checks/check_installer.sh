#!/bin/bash
# Runs tools/install-deps.sh against a stand-in for dpkg and apt: what it installs, what it says, and that a second run
# costs nothing. No package of this machine is touched.
set -u
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
if [ ! -r /etc/debian_version ]; then
    echo "skipped: not a Debian-like system"
    exit 77
fi
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
mkdir "$box/bin" "$box/tools"
cp "$source_dir/tools/install-deps.sh" "$box/tools/"
for tool in sh cat cut grep sed cmp mktemp rm mkdir cp dirname tr env; do ln -s "$(command -v $tool)" "$box/bin/$tool"; done

stub() { # name; body on stdin
    { echo "#!/bin/sh"; echo "box=$box"; cat; } >"$box/bin/$1"
    chmod +x "$box/bin/$1"
}
stub dpkg-query <<'END'
while read -r package; do echo "installed $package"; done <$box/installed
END
stub dpkg <<'END'
case $1 in --print-architecture) echo amd64 ;; --print-foreign-architectures) ;; *) echo "dpkg $*" >>$box/calls ;; esac
END
stub apt-cache <<'END'
grep -qxF "$2" $box/known
END
stub apt-get <<'END'
echo "apt-get $*" >>$box/calls
case " $* " in *" update "*) : >$box/stale-gone; cat $box/after-update >>$box/known; exit 0 ;; esac
[ ! -e $box/stale ] || [ -e $box/stale-gone ] || exit 100
for word; do case $word in -*|install) ;; *) echo "$word" >>$box/installed ;; esac; done
END
stub id <<'END'
cat $box/uid
END

n_wrong=0
wrong() {
    n_wrong=$((n_wrong + 1))
    echo "failed: $case: $*"
    sed 's/^/    /' "$box/out" "$box/calls"
}
begin() { # name of the case; all packages of the build set but xxhash are there
    case=$1
    rm -rf "$box/.cache" "$box/stale" "$box/stale-gone" "$box/bin/sudo"
    echo 0 >"$box/uid"
    : >"$box/after-update"
    sed -n 's/^\(build\|check\|arm\) *\([^ ]*\) .*/\2/p' "$box/tools/install-deps.sh" >"$box/known"
    grep -vx libxxhash-dev "$box/known" >"$box/installed"
}
run() { # expected status, arguments
    local expected=$1 status
    shift
    : >"$box/calls"
    env -i PATH="$box/bin" "$box/tools/install-deps.sh" "$@" >"$box/out" 2>&1 </dev/null
    status=$?
    [ $status = "$expected" ] || wrong "status $status, expected $expected"
}
says() { grep -qF -- "$1" "$box/out" || wrong "does not say \`$1'"; }
calls() { [ "$(cat "$box/calls")" = "$1" ] || wrong "expected the calls \`$1'"; }
silent() {
    calls ""
    [ ! -s "$box/out" ] || wrong "is not silent"
}

install='apt-get install -q -y --no-install-recommends'

begin "one package is missing"
run 0
says "libxxhash-dev"
says "checksums of model files"
calls "$install libxxhash-dev"
run 0
silent

begin "all is there"
echo libxxhash-dev >>"$box/installed"
run 0 build check arm
silent

begin "stale package lists"
: >"$box/stale"
run 0
calls "$install libxxhash-dev
apt-get -q update
$install libxxhash-dev"

begin "no package lists at all"
: >"$box/known"
echo libxxhash-dev >"$box/after-update"
run 0
calls "apt-get -q update
$install libxxhash-dev"

begin "a user with sudo"
echo 1000 >"$box/uid"
stub sudo <<'END'
echo "sudo" >>$box/calls
exec "$@"
END
run 0
calls "sudo
$install libxxhash-dev"

begin "a user without sudo"
echo 1000 >"$box/uid"
run 1
says "neither root nor sudo"
says "apt-get install libxxhash-dev"
calls ""

begin "an optional package that this system does not have"
sed -i /chromium/d "$box/known" "$box/installed"
echo libxxhash-dev >>"$box/installed"
run 0 build check
says "chromium is not in this system's package lists"
calls "apt-get -q update"
run 0 build check
silent

begin "a needed package that cannot be had"
: >"$box/known"
: >"$box/stale"
: >"$box/stale-gone"
stub apt-get <<'END'
exit 100
END
run 1
says "could not install: libxxhash-dev"

begin "left to the user"
: >"$box/calls"
env -i PATH="$box/bin" EDGEWISE_NO_DEPS=1 "$box/tools/install-deps.sh" >"$box/out" 2>&1 || wrong "fails"
silent

begin "an unknown set"
run 1 everything
says "\`everything' is not a set"

echo "$n_wrong wrong"
[ $n_wrong = 0 ]
