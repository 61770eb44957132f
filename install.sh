#!/bin/sh
# Install, upgrade or remove openclaw-iflow-doctor for this user. Plain POSIX sh; no root; nothing runs before the last line is read.
#   ./install.sh [--dry-run] [--yes] [--no-service] [--no-shim] [--with-plugin] [--prefix DIR] [--wheelhouse DIR] [--lang zh|en]
#   ./install.sh --uninstall [--purge]
# This script only finds a Python; the work is done by skill/installer (standard library), the same on every system.
set -u

fail() {
  printf '%s\n' "$@" >&2
  exit 2
}

# Answers 0 when "$1" is a Python >= 3.8. One that also has venv and ensurepip is better: $2 = full.
good_python() {
  case ${2-} in
    full) "$1" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 ;;
    *) "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 ;;
  esac
}

# Prints the best Python found: first one that can make environments by itself, else any that uv can help.
find_python() {
  for wanted in full any; do
    for name in ${IFLOW_DOCTOR_PYTHON:+"$IFLOW_DOCTOR_PYTHON"} python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 python; do
      found=$(command -v "$name" 2>/dev/null) || continue
      if good_python "$found" "$wanted"; then
        printf '%s\n' "$found"
        return 0
      fi
    done
  done
  # uv keeps Pythons of its own: asked for one that is there already, it downloads nothing.
  if command -v uv >/dev/null 2>&1; then
    found=$(uv python find --no-python-downloads '>=3.8' 2>/dev/null) && good_python "$found" any && printf '%s\n' "$found" && return 0
  fi
  return 1
}

python_hint() {
  echo 'Python 3.8 or newer was not found （需要 Python 3.8 或更高版本）. Install it, then run this again:'
  if command -v apt-get >/dev/null 2>&1; then
    echo '  apt install python3 python3-venv'
  elif command -v dnf >/dev/null 2>&1; then
    echo '  dnf install python3'
  elif command -v apk >/dev/null 2>&1; then
    echo '  apk add python3'
  elif command -v pacman >/dev/null 2>&1; then
    echo '  pacman -S python'
  elif command -v brew >/dev/null 2>&1; then
    echo '  brew install python'
  elif [ "$(uname -s)" = Darwin ]; then
    echo '  xcode-select --install'
  fi
  echo '  or, without root: install uv (https://docs.astral.sh/uv/), then: uv python install'
}

# Prints the folder this script is in, links resolved; nothing when it came through a pipe.
own_folder() {
  self=$0
  [ -f "$self" ] || return 1
  while [ -L "$self" ]; do
    link=$(readlink "$self") || return 1
    case $link in
      /*) self=$link ;;
      *) self=$(dirname "$self")/$link ;;
    esac
  done
  CDPATH='' cd -- "$(dirname "$self")" 2>/dev/null && pwd -P
}

main() {
  case $(id -u) in
    0) [ -z "${SUDO_USER-}" ] || fail "Do not use sudo: this installs for one user ($SUDO_USER) and needs no root. (请勿使用 sudo)" ;;
  esac
  here=$(own_folder) || here=
  if [ -z "$here" ] || [ ! -f "$here/skill/installer/main.py" ]; then
    fail 'install.sh needs the files that ship beside it: clone the repository or unpack the archive, then run ./install.sh there.' \
      '（请先克隆仓库或解压归档，再在其中运行 ./install.sh）'
  fi
  python=$(find_python) || {
    python_hint >&2
    exit 2
  }
  PYTHONIOENCODING=utf-8 exec "$python" -B -I -X utf8 -c 'import sys
sys.path.insert(0, sys.argv[1])
from skill.installer.main import main
sys.exit(main(sys.argv[1], sys.argv[2:]))' "$here" "$@"
}

main "$@"
