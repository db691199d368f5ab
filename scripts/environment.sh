# Sourced by the other scripts: `prepare_environment` makes .venv with this package and its dependencies in it, and does
# nothing where that has been done with the same setup.cfg. It writes inside the clone alone.
#
#   PYTHON            the Python to use, 3.11 or newer; without it the first such one on the PATH
#   TORCH_INDEX_URL   package index to take PyTorch from, such as the CPU index address that PyTorch's installation page
#                     names. The default index may hold the CUDA build, with which the environment is about 6 GB.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
VENV="$ROOT/.venv"

# With OpenMP's default, idle threads spin and a second process on the same cores is many times slower.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
export MPLCONFIGDIR="${MPLCONFIGDIR:-$VENV/cache/matplotlib}"
export PYTHONNOUSERSITE=1

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate found=""
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3 python python3.13 python3.12; do
        if is_recent "$candidate"; then
            echo "$candidate"
            return
        fi
        found+="${found:+, }$candidate ($("$candidate" --version 2>/dev/null || echo absent))"
        [[ -z "${PYTHON:-}" ]] || break
    done
    fail "Python 3.11 or newer is needed, found: $found; install one, or name it: PYTHON=/path/to/python3.11 $0"
}

prepare_environment() {
    local python stamp
    if ! is_recent "$VENV/bin/python"; then
        python="$(find_python)"
        echo "Making $VENV with $("$python" --version)"
        "$python" -m venv --clear "$VENV" ||
            fail "$VENV could not be made; Debian and Ubuntu need the package python3-venv for it"
    fi
    # An environment knows its own path, so a moved clone installs again.
    stamp="$("$VENV/bin/python" - "$ROOT" <<'PYTHON'
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
parts = [sys.version, str(root), *((root / name).read_text() for name in ("setup.cfg", "pyproject.toml"))]
print(hashlib.sha256("\0".join(parts).encode()).hexdigest())
PYTHON
)"
    [[ "$(cat "$VENV/installed" 2>/dev/null)" != "$stamp" ]] || return 0
    echo "Installing into $VENV, which takes some minutes. It is about 6 GB where the package index gives PyTorch its CUDA"
    echo "build; to take the CPU build, set TORCH_INDEX_URL to the CPU index address from PyTorch's installation page."
    [[ -n "${PIP_CACHE_DIR:-}" ]] || export PIP_NO_CACHE_DIR=1  # pip's cache lies outside the clone
    local install=("$VENV/bin/python" -m pip --disable-pip-version-check install)
    if [[ -n "${TORCH_INDEX_URL:-}" ]]; then
        "${install[@]}" --index-url "$TORCH_INDEX_URL" torch torchvision ||
            fail "PyTorch could not be installed from TORCH_INDEX_URL; see above"
    fi
    "${install[@]}" --editable "$ROOT[dev]" || fail "the package could not be installed; see above"
    echo "$stamp" >"$VENV/installed"
}
